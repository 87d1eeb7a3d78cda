"""Making, listing, revoking and finding API keys; see Note [API keys]."""

import hmac
from datetime import timedelta
from functools import partial
from typing import Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts.api_keys.keys import hash_key, make_key, read_id
from accounts.api_keys.known import KNOWN, REREAD_SECONDS, Key, KnownKey
from accounts.api_keys.models import ApiKey
from accounts.limits.background import BackgroundTasks
from accounts.models import User
from accounts.security_log.models import Event
from accounts.services.active_users import load_active_user
from accounts.services.announcements import announce
from accounts.services.proof import Proof, check_proof

MAX_KEYS: Final = 20
"""Of one user. Their ids are in each cached record: 340 bytes."""
USES: Final = BackgroundTasks("api-keys", "The use of an API key can't be noted")


def create_key(
    *,
    user_id: int,
    name: str,
    scope: str,
    expires_in_days: int,
    proof: Proof,
) -> tuple[ApiKey, str]:
    """Make a key and tell the user by mail; return its row, and the key itself, for once.

    Raises: what `check_proof()` does; ValidationError if there are too many keys; AccountGone.
    """
    now, new = timezone.now(), make_key()
    with transaction.atomic():
        user = load_active_user(user_id)
        check_proof(user, proof)
        keys = ApiKey.objects.filter(user=user)
        keys.exclude(pk__in=list_keys(user_id=user_id).values("pk")).delete()
        if keys.count() >= MAX_KEYS:
            raise ValidationError(
                f"You have {MAX_KEYS} API keys. Revoke one of them first.", code="too_many_keys"
            )
        row = ApiKey.objects.create(
            id=new.id,
            user=user,
            name=name,
            scope=scope,
            key_hash=new.hash,
            token_version=user.token_version,
            created_at=now,
            expires_at=now + timedelta(days=expires_in_days),
        )
        _name_live(user)
        announce(Event.KEY_CREATED, user, about=new.id)
    return row, new.text


def list_keys(*, user_id: int) -> QuerySet[ApiKey]:
    """Return the user's keys that are good, the last made first."""
    keys = ApiKey.objects.filter(user_id=user_id, user__token_version=F("token_version"))
    return keys.filter(expires_at__gt=timezone.now()).order_by("-created_at", "pk")


def list_all_keys(user: User) -> QuerySet[ApiKey]:
    """Return the user's keys that have a row, good or not: MAX_KEYS at most."""
    return ApiKey.objects.filter(user=user).order_by("-created_at", "pk")


def revoke_key(*, user_id: int, key_id: str) -> bool:
    """Revoke one of the user's keys; return whether there was such one."""
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=user_id).first()
        deleted, _ = ApiKey.objects.filter(pk=key_id, user_id=user_id).delete()
        if user is None or not deleted:
            return False
        _name_live(user)
        announce(Event.KEY_REVOKED, user, about=key_id)
        return True


def load_key(text: bytes) -> KnownKey | None:
    """Return a key by its row, and remember it; None if there is none. One query at most."""
    key_text = text.decode("ascii", errors="replace")
    key_id = read_id(key_text)
    row = ApiKey.objects.filter(pk=key_id).first() if key_id else None
    if row is None or not hmac.compare_digest(row.key_hash, hash_key(key_text)):
        return None
    return KNOWN.remember(text, _read(row))


def note_use(known: KnownKey) -> None:
    """Have a use noted after the answer, unless one was in the last five minutes."""
    if KNOWN.is_due(known):
        USES.submit(partial(_note_use, known.key))


def _note_use(key: Key) -> None:
    row = ApiKey.objects.filter(pk=key.id).first()
    if row is None or _read(row) != key:
        KNOWN.forget(key.id)
        return
    unused = Q(last_used_at=None) | Q(last_used_at__lt=Now() - timedelta(seconds=REREAD_SECONDS))
    ApiKey.objects.filter(unused, pk=key.id).update(last_used_at=Now())


def _name_live(user: User) -> None:
    user.live_keys = " ".join(list_keys(user_id=user.pk).values_list("pk", flat=True))
    user.save(update_fields=["live_keys"])


def _read(row: ApiKey) -> Key:
    return Key(
        id=row.pk,
        user_id=row.user_id,
        token_version=row.token_version,
        scope=row.scope,
        expires_at=row.expires_at.timestamp(),
    )
