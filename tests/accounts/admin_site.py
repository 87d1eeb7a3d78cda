"""The admin site's pages for users, as a browser sees and sends them."""

import html
import re

from django.test import Client
from django.urls import reverse

from accounts.models import User

LIST = reverse("admin:accounts_user_changelist")
ADD = reverse("admin:accounts_user_add")


def page(user: User, name: str = "change") -> str:
    return reverse(f"admin:accounts_user_{name}", args=[user.pk])


def password_page(user: User) -> str:
    return reverse("admin:auth_user_password_change", args=[user.pk])


def read_form(client: Client, path: str) -> dict[str, str]:
    """Return what a browser would send if one opened the page and pressed Save."""
    text = client.get(path).content.decode()
    fields = {}
    for tag in re.findall(r"<input [^>]+>", text):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        is_switch = attributes.get("type") in ("checkbox", "radio")
        is_off = is_switch and " checked" not in tag
        if "name" in attributes and attributes.get("type") != "submit" and not is_off:
            fields[attributes["name"]] = html.unescape(
                attributes.get("value", "on" if is_switch else "")
            )
    for name, value in re.findall(r'<textarea name="(\w+)"[^>]*>\s?([^<]*)</textarea>', text):
        fields[name] = html.unescape(value)
    return fields


def run_action(client: Client, action: str, *users: User) -> str:
    """Run an action of the list on these users, and return the page that follows."""
    form = {"action": action, "_selected_action": [user.pk for user in users]}
    response = client.post(LIST, form, follow=True)
    assert response.status_code == 200
    return response.content.decode()
