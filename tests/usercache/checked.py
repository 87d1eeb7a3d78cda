"""What Django's checks say of the cache."""

from django.core.checks import run_checks


def ids() -> list[str]:
    """Return the ids of the messages, sorted."""
    return sorted(m.id for m in run_checks() if m.id and m.id.startswith("usercache."))
