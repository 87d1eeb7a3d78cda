"""The app's name, its checks, and its step of a log-in."""

from django.apps import AppConfig
from django.core.checks import Tags, register


class SecondFactorConfig(AppConfig):
    """Second factors of users."""

    name = "accounts.second_factor"
    verbose_name = "Second factor"

    def ready(self) -> None:
        """Register the checks, and ask for the factor at each log-in."""
        from accounts.login_steps import LOGIN_STEPS
        from accounts.second_factor import checks
        from accounts.second_factor.services import ask_for_factor

        register(checks.check_keys, Tags.security)
        register(checks.check_challenges, Tags.security)
        LOGIN_STEPS[self.name] = ask_for_factor
