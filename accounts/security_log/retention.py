"""Deleting events that were kept for long enough."""

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import connections, router, transaction
from django.db.models.functions import Now

from accounts.security_log.models import SecurityEvent

PRUNED_ROWS: Final = 1000
"""In one transaction."""
ALLOW: Final = "SELECT set_config('security_log.pruning', 'on', true)"
"""What PostgreSQL's trigger asks for, until the end of the transaction."""


def prune() -> int:
    """Delete the events older than AUTH_SECURITY_LOG_DAYS; return how many."""
    alias = router.db_for_write(SecurityEvent)
    since = Now() - timedelta(days=settings.AUTH_SECURITY_LOG_DAYS)
    old = SecurityEvent.objects.using(alias).filter(at__lt=since).order_by("at")
    pruned = 0
    while True:
        with transaction.atomic(using=alias):
            if connections[alias].vendor == "postgresql":
                with connections[alias].cursor() as cursor:
                    cursor.execute(ALLOW)
            ids = list(old.values_list("pk", flat=True)[:PRUNED_ROWS])
            deleted, _ = SecurityEvent.objects.using(alias).filter(pk__in=ids).delete()
        pruned += deleted
        if not deleted:
            return pruned
