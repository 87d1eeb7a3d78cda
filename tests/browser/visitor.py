"""Somebody at a browser, and what it complained of."""

from dataclasses import dataclass, field

from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize

from accounts.models import User
from tests.cast import PASSWORD

DASHBOARD = "/admin/usercache_observability/dashboard/"
WIDE = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=390, height=844)


@dataclass
class Visitor:
    """A page of its own, logged in to the admin site."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    """What the console showed as an error, and what no script caught."""

    @classmethod
    def arrive(
        cls,
        browser: Browser,
        url: str,
        user: User,
        *,
        is_dark: bool = False,
        is_phone: bool = False,
        has_scripts: bool = True,
    ) -> "Visitor":
        """Log in by the form."""
        context = browser.new_context(
            viewport=PHONE if is_phone else WIDE,
            color_scheme="dark" if is_dark else "light",
            java_script_enabled=has_scripts,
        )
        visitor = cls(context.new_page(), url)
        visitor.page.on("console", visitor.hear)
        visitor.page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        visitor.go("/admin/")
        visitor.page.get_by_label("Email:").fill(user.email)
        visitor.page.get_by_label("Password:").fill(PASSWORD)
        visitor.page.get_by_role("button", name="Log in").click()
        return visitor

    def go(self, path: str) -> None:
        """Open a path of the site."""
        self.page.goto(self.url + path)

    def hear(self, message: ConsoleMessage) -> None:
        """Note what the console shows as an error or a warning."""
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} ({message.location['url']})")
