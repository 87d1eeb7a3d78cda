"""Listening to PostgreSQL: which records change, while Redis can't be used or there is none.

See Note [PostgreSQL as a second voice] in `usercache/l1/memory.py`.
"""

import selectors
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

import psycopg
from django.db import Error as AnyDatabaseError
from django.db import connections
from psycopg.pq import ExecStatus

from usercache.backends.base import UnavailableError
from usercache.backends.breaker import LONGEST_PAUSE_SECONDS
from usercache.clocks import boot_time
from usercache.codec import get_codec
from usercache.conf import conf
from usercache.l1.listener import SILENCE_SECONDS, Answer, Changes, Listener
from usercache.l1.memory import ReportedMemory
from usercache.lookup import Store
from usercache.orm.outbox import get_alias, keys_of
from usercache.postgresql import sql, triggers
from usercache.postgresql.notifications import CHANGES_CHANNEL
from usercache.runtime import Service

CONNECT_SECONDS: Final = 2
"""psycopg allows no shorter bound."""
SERVER_BOUND_MILLISECONDS: Final = 1_500
"""After which PostgreSQL ends a statement itself, before we give up: a session that waits for a
lock doesn't notice that its client has gone."""
REFUSED_PAUSE_SECONDS: Final = 30.0
"""Between two attempts where no changes are reported: a `migrate` may change that."""
LINGER_SECONDS: Final = 2 * LONGEST_PAUSE_SECONDS
"""How long a process still listens once it uses Redis again: longer than any other that has lost
it pauses between two probes."""
SUCCESSES: Final = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


Keys = list[str] | None
"""Of the records that have changed; None for all of them."""


def _ignore(_keys: Keys) -> None:
    pass


class NotReportedError(Exception):
    """PostgreSQL reports no changes here; the message says why."""


class LostConnectionError(psycopg.OperationalError, ValueError):
    """The session is over; a ValueError, as `selectors` expects of what has no descriptor."""


class ListeningConnection:
    """A session that is told of each row added to the outbox.

    It is in no pool, and waits for an answer no longer than SILENCE_SECONDS. `on_changes` is told
    of each change before it is yielded. Raises psycopg's errors.
    """

    is_amid_message = False
    """What has arrived in part counts as not arrived: libpq doesn't tell the two apart."""

    def __init__(
        self, parameters: dict[str, Any], on_changes: Callable[[Keys], object] = _ignore
    ) -> None:
        """Connect with psycopg's parameters, and listen.

        Raises:
            NotReportedError: no notification would arrive.
        """
        bounded = parameters | {"connect_timeout": CONNECT_SECONDS, "autocommit": True}
        self._connection = psycopg.connect(**bounded)
        self._pgconn = self._connection.pgconn
        self._on_changes = on_changes
        self._is_awaiting = False
        try:
            self._require_notifications()
            bound = f"SET statement_timeout = {SERVER_BOUND_MILLISECONDS}"
            for statement in (bound, f"LISTEN {CHANGES_CHANNEL}", *sql.BEGIN_LISTENING):
                self._ask(statement)
        except (psycopg.Error, NotReportedError):
            self.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when a message arrives.

        Raises:
            LostConnectionError: libpq has closed it.
        """
        try:
            return self._pgconn.socket
        except psycopg.OperationalError as error:
            raise LostConnectionError(str(error)) from error

    def send_heartbeat(self) -> None:
        """Send a query, whose answer follows every notification sent before."""
        self._send("SELECT 1")

    def take(self) -> Iterator[Changes | Answer]:
        """Yield the changes that have arrived, and the answer to a heartbeat after them."""
        self._pgconn.consume_input()
        is_answered = self._is_awaiting and self._read_answer() is not None
        names = set[str]()
        while notification := self._pgconn.notifies():
            names.add(notification.extra.decode(errors="replace"))
        if names:
            keys = keys_of(names)
            self._on_changes(keys)
            yield Changes(keys)
        if is_answered:
            yield Answer.HEARTBEAT

    def close(self) -> None:
        """End the session, and so its locks."""
        self._connection.close()

    def _require_notifications(self) -> None:
        pid, prepared = self._ask(
            "SELECT pg_backend_pid(), current_setting('max_prepared_transactions')"
        )
        if int(pid) != self._pgconn.backend_pid:
            raise NotReportedError(
                "a connection pooler passes no notifications on, and USERCACHE_LISTEN_ALIAS names "
                "no alias of DATABASES that leads past it"
            )
        if prepared != b"0":
            raise NotReportedError(
                "PostgreSQL allows prepared transactions (max_prepared_transactions), which can't "
                "notify"
            )

    def _ask(self, statement: str) -> tuple[bytes, ...]:
        deadline = time.monotonic() + SILENCE_SECONDS
        self._send(statement)
        with selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_READ)
            while (row := self._read_answer()) is None:
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise psycopg.OperationalError(f"No answer in {SILENCE_SECONDS:g} s.")
                self._pgconn.consume_input()
        return row

    def _send(self, statement: str) -> None:
        self._pgconn.send_query(statement.encode())
        self._row: tuple[bytes, ...] = ()
        self._is_awaiting = True

    def _read_answer(self) -> tuple[bytes, ...] | None:
        # The first row of a whole answer, None if it hasn't arrived yet.
        while not self._pgconn.is_busy():
            result = self._pgconn.get_result()
            if result is None:
                self._is_awaiting = False
                return self._row
            if result.status not in SUCCESSES:
                raise psycopg.OperationalError(result.error_message.decode(errors="replace"))
            if result.ntuples:
                self._row = tuple(
                    result.get_value(0, column) or b"" for column in range(result.nfields)
                )
        return None


class Voice:
    """Whether process memory is kept current by PostgreSQL, and the connection for it.

    A process that finds Redis again listens on for a while, and passes on to Redis what it hears:
    another, which hasn't found it yet, may write what Redis still holds, and the relay may be such
    a process itself.
    """

    def __init__(
        self, store: Store, l1: ReportedMemory, clock: Callable[[], float] = boot_time
    ) -> None:
        """Serve from no memory until somebody listens, or it is known that nobody can."""
        self._store = store
        self._l1 = l1
        self._clock = clock
        self._retry_at = self._listens_until = 0.0
        store.memory_l1 = l1

    def is_wanted(self) -> bool:
        """Return whether Redis can't be used, or couldn't lately, and listening may work."""
        redis, now = self._store.redis, self._clock()
        if redis is None or redis.breaker.is_away:
            self._listens_until = now + LINGER_SECONDS
        return self._retry_at <= now < self._listens_until

    def connect(self) -> Iterator[ListeningConnection]:
        """Yield a connection.

        Raises:
            NotReportedError: PostgreSQL reports nothing. Until the next attempt, memory serves as
                on other databases: for USERCACHE_MEMORY_TTL_SECONDS.
        """
        try:
            connection = connect(self._pass_on)
        except NotReportedError:
            self._retry_at = self._clock() + REFUSED_PAUSE_SECONDS
            self._store.memory_l1 = None
            raise
        finally:
            connections.close_all()  # this thread's
        self._store.memory_l1 = self._l1
        yield connection

    def _pass_on(self, keys: Keys) -> None:
        redis = self._store.redis
        if redis is None or not redis.is_available(invalidates=True):
            return
        with suppress(UnavailableError):  # already counted
            if keys is None:
                redis.invalidate_all()
            else:
                redis.invalidate(keys)


def connect(on_changes: Callable[[Keys], object] = _ignore) -> ListeningConnection:
    """Return a connection that hears of every change of what is cached.

    Raises:
        NotReportedError: changes aren't reported here.
        django.db.Error: PostgreSQL can't be asked.
    """
    alias = get_alias()
    home = connections[alias]
    if not triggers.is_installed(home, get_codec()):
        raise NotReportedError("the triggers are missing or outdated: run manage.py migrate")
    listening = connections[conf.USERCACHE_LISTEN_ALIAS or alias]
    with listening.wrap_database_errors:
        return ListeningConnection(listening.get_connection_params(), on_changes)


def extend(store: Store) -> Iterable[Service]:
    """Keep process memory current while Redis isn't used; see `usercache.runtime.Extension`."""
    if not conf.USERCACHE_L1_MAX_ENTRIES:
        return []
    memory: Any = store.memory
    l1 = ReportedMemory(memory, conf.USERCACHE_L1_MAX_ENTRIES, conf.USERCACHE_L1_MAX_BYTES)
    voice = Voice(store, l1)
    errors = (NotReportedError, psycopg.Error, AnyDatabaseError)
    return [
        Listener(
            l1,
            store.events,
            connect=voice.connect,
            is_wanted=voice.is_wanted,
            errors=errors,
            name="usercache-postgresql",
        )
    ]
