"""The limits of AUTH_LIMITS by name, and the variable that lifts them all."""

from typing import Final

LIMITS: Final = (
    *("login_address", "login_pair", "login_account", "refresh_address", "refresh_account"),
    *("mail_address", "mail_account", "confirm_address"),
    *("key_address", "export_address", "export_account"),
    *("factor_address", "factor_pair", "factor_account"),
    *("register_address", "password_address", "password_account"),
    *("provider_address", "provider_account"),
    *("search_address", "search_account", "picture_address", "picture_account"),
)
LIFTED: Final = ",".join(f"{name}=1000000/60" for name in LIMITS)
