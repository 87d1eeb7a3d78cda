"""What the settings of this run install: the whole product, or the core alone."""

import os
from typing import Final

from django.apps import apps

WHOLE_PRODUCT: Final = apps.is_installed("accounts")
DEPLOYMENTS: Final = (
    ("unix", "acl", "tls", "sentinel", "cluster", "tls-cluster") if WHOLE_PRODUCT else ()
)
"""The kinds of Redis besides a plain one; tests/deployments.py runs them."""
HAS_REDIS: Final = WHOLE_PRODUCT or bool(os.environ.get("REDIS_URL"))
"""Whether redis-py can be imported."""
