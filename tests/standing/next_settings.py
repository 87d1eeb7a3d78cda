"""The product's settings in the release after this one, which caches one more column."""

from hiremebahamas.settings import *  # noqa: F403  # all of them
from hiremebahamas.settings import USERCACHE_FIELDS as FIELDS

USERCACHE_FIELDS = (*FIELDS, "closed_at")  # type: ignore[assignment]  # one longer
