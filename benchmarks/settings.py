"""Django's settings of what is measured: the product's own, and beside them what its peers need.

`BENCHMARK_PEER` names the peer a process is for: cacheops and cachalot change how every query is
made, so each has processes of its own. Unset, it is for the product.
"""

from benchmarks.contenders import TTL_SECONDS
from hiremebahamas.environment import env
from hiremebahamas.settings import *  # noqa: F403  # all that the product has
from hiremebahamas.settings import CACHES, INSTALLED_APPS, REDIS_URL
from hiremebahamas.shared_cache import KEY_PREFIX

PEER_TTL_SECONDS = TTL_SECONDS

ROOT_URLCONF = "benchmarks.urls"

BENCHMARK_PEER = env.str("BENCHMARK_PEER", "")
if BENCHMARK_PEER:
    INSTALLED_APPS = [
        "benchmarks.apps.SilentUserCacheConfig" if app == "usercache" else app
        for app in INSTALLED_APPS
    ]
if BENCHMARK_PEER in ("cacheops", "cachalot"):
    INSTALLED_APPS = [*INSTALLED_APPS, BENCHMARK_PEER]

# django-redis shares its pools by URL: same connections, other keys.
CACHES = {**CACHES, "peer": {**CACHES["usercache"], "KEY_PREFIX": "peer"}}
# Two of ours, each with a database of its own, must not answer for each other.
CACHES["usercache"]["KEY_PREFIX"] = env.str("BENCHMARK_KEY_PREFIX", KEY_PREFIX)

if env.bool("BENCHMARK_WITHOUT_REDIS", default=False):
    USERCACHE_REDIS_ALIAS = ""  # as where no REDIS_URL is set

CACHEOPS_REDIS = REDIS_URL
CACHEOPS = {"accounts.user": {"ops": {"get"}, "timeout": PEER_TTL_SECONDS}}
CACHALOT_CACHE = "peer"
CACHALOT_TIMEOUT = PEER_TTL_SECONDS
CACHALOT_ONLY_CACHABLE_TABLES = frozenset({"users"})
