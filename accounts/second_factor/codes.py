"""Codes: of an authenticator app, and for recovery. Each works once; see Note [Second factor]."""

import base64
import hashlib
import hmac
import logging
import re
import secrets
import time
from typing import Final

import pyotp
from django.db.models.functions import Now

from accounts.models import User
from accounts.second_factor.encryption import UndecipherableError, decrypt
from accounts.second_factor.models import AuthenticatorApp, RecoveryCode
from accounts.security_log.models import Event
from accounts.services.announcements import announce

logger = logging.getLogger(__name__)

ISSUER: Final = "HireMeBahamas"
"""What authenticator apps show."""
STEP_SECONDS: Final = 30
SKEW_STEPS: Final = 1
"""The app's clock may be so many steps before or behind ours."""
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 15
"""120 bits: from 112 on a hash is enough to store them, without a salt or slow hashing.
Source: OWASP ASVS 5.0, 6.5.2."""
GROUP_LENGTH: Final = 4

APP_CODE: Final = re.compile(r"[0-9]{6}")
RECOVERY_CODE: Final = re.compile(r"[A-Z2-7]{24}")
IGNORED: Final = str.maketrans("", "", " -")


def current_step() -> int:
    """Return the number of the present time step, by this server's clock."""
    return int(time.time()) // STEP_SECONDS


def make_secret() -> str:
    """Return a new secret of 160 bits, in base32."""
    return pyotp.random_base32()


def format_uri(secret: str, *, email: str) -> str:
    """Return what authenticator apps read from a QR code: `otpauth://totp/…`."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def find_step(secret: str, code: str, *, now: int) -> int | None:
    """Return the time step that the code is of, if that is `now` or next to it."""
    totp = pyotp.TOTP(secret)
    steps = range(now - SKEW_STEPS, now + SKEW_STEPS + 1)
    # Each is compared, so that the time doesn't tell which.
    matching = [step for step in steps if hmac.compare_digest(totp.generate_otp(step), code)]
    return max(matching, default=None)


def use_code(user: User, code: str) -> bool:
    """Use up a code of the user's app, or a recovery code; return whether it was good."""
    code = code.translate(IGNORED).upper()
    if APP_CODE.fullmatch(code):
        app = AuthenticatorApp.objects.filter(user=user, confirmed_at__isnull=False).first()
        return app is not None and _use_app_code(app, code)
    return RECOVERY_CODE.fullmatch(code) is not None and _use_recovery_code(user, code)


def confirm_app(app: AuthenticatorApp, code: str) -> bool:
    """Switch the app on by its first code, which is used up; return whether it was good."""
    step = _find_step(app, code.translate(IGNORED))
    if step is None:
        return False
    pending = AuthenticatorApp.objects.filter(
        pk=app.pk, secret=app.secret, confirmed_at__isnull=True
    )
    return pending.update(confirmed_at=Now(), last_step=step) == 1


def replace_recovery_codes(user: User) -> list[str]:
    """Return new codes, as in `ABCD-EFGH-IJKL-MNOP-QRST-UVWX`; the old ones are worth nothing."""
    codes = [_make_recovery_code() for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.filter(user=user).delete()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=user, code_hash=_hash(user, code)) for code in codes
    )
    return ["-".join(re.findall(f".{{{GROUP_LENGTH}}}", code)) for code in codes]


def _find_step(app: AuthenticatorApp, code: str) -> int | None:
    if not APP_CODE.fullmatch(code):
        return None
    try:
        secret = decrypt(app.secret, user_id=app.pk)
    except UndecipherableError:
        logger.error(  # noqa: TRY400  # the traceback tells nothing
            "The authenticator app of user %s can't be read: AUTH_SECOND_FACTOR_KEYS lacks its "
            "key.",
            app.pk,
        )
        return None
    return find_step(secret, code, now=current_step())


def _use_app_code(app: AuthenticatorApp, code: str) -> bool:
    step = _find_step(app, code)
    if step is None:
        return False
    unused = AuthenticatorApp.objects.filter(pk=app.pk, secret=app.secret, last_step__lt=step)
    return unused.update(last_step=step) == 1


def _use_recovery_code(user: User, code: str) -> bool:
    unused = RecoveryCode.objects.filter(
        user=user, code_hash=_hash(user, code), used_at__isnull=True
    )
    is_good = unused.update(used_at=Now()) == 1
    if is_good:
        announce(Event.CODE_USED, user)
    return is_good


def _make_recovery_code() -> str:
    return base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode()


def _hash(user: User, code: str) -> str:
    return hashlib.sha256(f"{user.pk} {code}".encode()).hexdigest()
