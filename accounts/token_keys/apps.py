"""The app's name, and the keys in simplejwt's place for them."""

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured


class TokenKeysConfig(AppConfig):
    """The keys that tokens are signed with."""

    name = "accounts.token_keys"
    label = "token_keys"

    def ready(self) -> None:
        """Let every token class of simplejwt use the keys.

        Raises: ImproperlyConfigured naming all that is wrong with them: a process that can't sign
        must not start, whether somebody checks its settings or not.
        """
        from rest_framework_simplejwt import state

        from accounts.token_keys.checks import check_keys
        from accounts.token_keys.ring import make_ring

        if messages := check_keys():
            raise ImproperlyConfigured(
                "\n".join(f"{found.id}: {found.msg} {found.hint}" for found in messages)
            )
        state.token_backend = make_ring()
