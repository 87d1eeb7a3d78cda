"""How often an address and an account may do what costs or guesses: Note [Limits].

Note [Limits]
A limit of 10 in 300 seconds allows ten at once, and then one each 30 seconds (GCRA, or a leaky
bucket: one number per key). All limits of a request are asked in one script: either each of them
counts the request, or none does. So an attacker who is refused by address uses up nothing of the
account's, and requests at the same moment can't pass together.

Three scopes: the address (for IPv6 its /64), the account, and the pair of both. Without the pair an
attacker could lock the owner of an account out from one address.

While Redis isn't in use, each process counts for itself. Keys hold digests: neither an address nor
an email is in Redis.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from rest_framework.request import Request

from accounts.clients.addresses import get_address, get_network
from accounts.errors import TooManyAttempts
from usercache.scripts import UnavailableError, run_script

ACCOUNT: Final = "account"
ADDRESS: Final = "address"
PAIR: Final = "pair"
SCOPES: Final = (ADDRESS, PAIR, ACCOUNT)

MILLISECONDS: Final = 1000
DIGEST_LENGTH: Final = 32
MEMORY_MAX_KEYS: Final = 20_000
"""About 4 MB. Beyond it the keys that were used longest ago are dropped."""

# KEYS: one per limit. ARGV: for each, the milliseconds per request, and of all its requests.
# A value that we can't have written counts from now on, at most as full. Answers with how long to
# wait in milliseconds; 0 if the request was counted.
TAKE: Final = """
local time = redis.call('TIME')
local now, wait, full = time[1] * 1000 + math.floor(time[2] / 1000), 0, {}
for i, key in ipairs(KEYS) do
  local each, all = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local held = redis.pcall('GET', key)
  local last = type(held) == 'string' and tonumber(held) or now
  if not (last >= now) then last = now elseif last > now + all then last = now + all end
  full[i] = last + each
  wait = math.max(wait, full[i] - now - all)
end
if wait > 0 then return math.ceil(wait) end
for i, key in ipairs(KEYS) do
  redis.call('SET', key, string.format('%.0f', full[i]), 'PX', math.ceil(full[i] - now))
end
return 0
"""

Rate = tuple[int, int]
"""How many, and in how many seconds."""


def check_mail_limit(request: HttpRequest | Request, purpose: str, *, recipient: str) -> None:
    """Count a message of one kind to an address; each kind for itself.

    Otherwise messages that are asked for and never sent, to confirm an address that is taken, would
    keep its owner from a new password.

    Raises: TooManyAttempts.
    """
    check_limit(request, "mail", account=f"{purpose} {recipient}")


def make_code_counter(request: HttpRequest | Request, *, user_id: int) -> Callable[[], None]:
    """Return what counts a guess at a code of the user's second factor, as at log-ins."""
    return partial(check_limit, request, "factor", account=user_id)


def check_limit(request: HttpRequest | Request, action: str, *, account: object = None) -> None:
    """Count the request against the limits of an action in AUTH_LIMITS; one round trip.

    `account` is what names it: an id, an email in its normal form.

    Raises: TooManyAttempts, with the seconds to wait.
    """
    network = get_network(get_address(request))
    subjects = {ADDRESS: network}
    if account is not None:
        subjects |= {PAIR: f"{network} {account}", ACCOUNT: str(account)}
    rates = settings.AUTH_LIMITS[action]
    keys = {
        _make_key(action, scope, subject): rates[scope]
        for scope, subject in subjects.items()
        if scope in rates
    }
    wait_seconds = take(keys)
    if wait_seconds > 0:
        raise TooManyAttempts(wait_seconds)


def take(keys: Mapping[str, Rate]) -> float:
    """Count one request at each key, or at none; return the seconds to wait, or 0."""
    spans = [span for rate in keys.values() for span in _get_spans(rate)]
    try:
        wait_ms: int = run_script(TAKE, list(keys), spans)
    except UnavailableError:
        return MEMORY.take(keys)
    return wait_ms / MILLISECONDS


class MemoryLimits:
    """The limits of one process, while Redis isn't in use."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, max_keys: int = MEMORY_MAX_KEYS
    ) -> None:
        """Start with nothing counted."""
        self._clock = clock
        self._max_keys = max_keys
        self._lock = threading.Lock()
        self._full_at = OrderedDict[str, int]()

    def take(self, keys: Mapping[str, Rate]) -> float:
        """Do as `take()` does."""
        with self._lock:
            now, wait, full_at = int(self._clock() * MILLISECONDS), 0, dict[str, int]()
            for key, rate in keys.items():
                each, all_of_them = _get_spans(rate)
                full_at[key] = max(self._full_at.get(key, now), now) + each
                wait = max(wait, full_at[key] - now - all_of_them)
            if wait > 0:
                return wait / MILLISECONDS
            for key, moment in full_at.items():
                self._full_at[key] = moment
                self._full_at.move_to_end(key)
            while len(self._full_at) > self._max_keys:
                self._full_at.popitem(last=False)
            return 0.0

    def clear(self) -> None:
        """Forget what was counted."""
        with self._lock:
            self._full_at.clear()


MEMORY: Final = MemoryLimits()


def _get_spans(rate: Rate) -> tuple[int, int]:
    # The milliseconds that one request takes, and that all of them may be ahead: a multiple, so
    # that exactly as many pass at once.
    count, seconds = rate
    each = math.ceil(seconds * MILLISECONDS / count)
    return each, each * count


def _make_key(action: str, scope: str, subject: str) -> str:
    digest = salted_hmac("accounts.limits", f"{scope} {subject}", algorithm="sha256").hexdigest()
    return f"limit:{{{action}}}:{scope}:{digest[:DIGEST_LENGTH]}"
