"""`manage.py reencrypt_second_factors`: after a new key, before the old one is dropped."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.second_factor.encryption import UndecipherableError, decrypt, encrypt
from accounts.second_factor.models import AuthenticatorApp


class Command(BaseCommand):
    """Encrypt every secret with the first key."""

    help = "Encrypt the secrets of all authenticator apps with SECOND_FACTOR_KEY."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Go through all rows.

        Raises: CommandError if some can't be read with any key.
        """
        done, unreadable = 0, list[int]()
        for pk, encrypted in AuthenticatorApp.objects.values_list("pk", "secret").order_by("pk"):
            try:
                secret = decrypt(encrypted, user_id=pk)
            except UndecipherableError:
                unreadable.append(pk)
                continue
            # Only over what was read: a set-up may have begun since.
            unchanged = AuthenticatorApp.objects.filter(pk=pk, secret=encrypted)
            done += unchanged.update(secret=encrypt(secret, user_id=pk))
        self.stdout.write(f"Encrypted {done} secrets with SECOND_FACTOR_KEY.")
        if unreadable:
            raise CommandError(
                f"{len(unreadable)} can't be read, since their key is missing; the first is of "
                f"user {unreadable[0]}. Add it to SECOND_FACTOR_KEY_FALLBACKS and run this again."
            )
