"""Sent in order, the schema's examples of requests are answered by its examples of answers."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.schema.people import NEW_PASSWORD
from tests.accounts.test_avatars import picture
from tests.openapi import list_examples, list_operations

pytestmark = pytest.mark.django_db

OPERATIONS = {operation.name: operation for operation in list_operations()}
# What differs from run to run.
VOLATILE = {"id", "user_id", "avatar_url", "created_at", "updated_at"}
VOLATILE |= {"access_token", "refresh_token"}


class Reader:
    """Somebody who does what is written there."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.client = APIClient()
        self.known: dict[str, Any] = {}
        self.done = set[str]()

    def do(self, name: str, body: Any = None, query: str = "", **options: Any) -> None:
        """Send the operation's example, and compare."""
        operation = OPERATIONS[name]
        body = body or next(list_examples(operation.description.get("requestBody", {})), None)
        if body and "refresh_token" in body:
            body = {"refresh_token": self.known["refresh_token"]}
        path = operation.path.replace("{user_id}", str(self.known.get("id"))) + query
        response = getattr(self.client, operation.method.lower())(path, body, **options)
        answer = response.json() if response.content else {}
        described = operation.description["responses"][str(response.status_code)]
        examples = [settle(example) for example in list_examples(described)] or [{}]
        assert settle(answer) in examples, name
        self.known.update(answer | answer.get("user", {}))
        self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {self.known['access_token']}")
        self.done.add(name)


def settle(value: Any, name: str = "") -> Any:
    """Return the value with what is volatile replaced by its type."""
    if isinstance(value, dict):
        return {name: settle(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [settle(item) for item in value]
    return type(value) if value and name in VOLATILE else value


def test_every_example_works() -> None:
    """From registration to the end of the account; what is volatile has the type that is shown."""
    reader = Reader()
    reader.do("register")
    form = {"file": SimpleUploadedFile("me.png", picture("PNG"))}
    reader.do("upload_avatar", form, format="multipart")
    for name in ("update_profile", "patch_profile", "login", "refresh"):
        reader.do(name)
    for name in ("verify", "get_profile", "get_user"):
        reader.do(name)
    reader.do("list_users", query="?search=chef")
    reader.do("look_up_user", query="?username=grace")
    reader.do("logout")
    reader.do("change_password")
    reader.do("close_account", {"password": NEW_PASSWORD})
    assert reader.done == set(OPERATIONS)
