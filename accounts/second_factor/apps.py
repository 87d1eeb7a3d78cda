"""The app's name, its checks, its step of a log-in, and its part in leaving."""

from django.apps import AppConfig
from django.core.checks import Tags, register


class SecondFactorConfig(AppConfig):
    """Second factors of users."""

    name = "accounts.second_factor"
    verbose_name = "Second factor"

    def ready(self) -> None:
        """Register the checks, and ask for the factor at each log-in, and with each proof."""
        from accounts.hooks import (
            CODE_CHECKS,
            EXPORT_SECTIONS,
            FIRST_PROOFS,
            LOGIN_STEPS,
            OTHER_LOGINS,
            Section,
        )
        from accounts.second_factor import checks
        from accounts.second_factor.passwordless import can_log_in, forget_passkeys
        from accounts.second_factor.schema import FACTORS
        from accounts.second_factor.serializers import FactorsSerializer
        from accounts.second_factor.services import ask_for_factor, check_code, describe_factors

        register(checks.check_keys, Tags.security)
        register(checks.check_challenges, Tags.security)
        LOGIN_STEPS[self.name] = ask_for_factor
        OTHER_LOGINS[self.name] = can_log_in
        FIRST_PROOFS[self.name] = forget_passkeys
        CODE_CHECKS[self.name] = check_code
        EXPORT_SECTIONS["second_factor"] = Section(FactorsSerializer, describe_factors, FACTORS)
