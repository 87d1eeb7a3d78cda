"""Tell sockets that stay open when their user, or what they signed in with, is refused.

Note [Open sockets]
-------------------
A request is checked once; a socket stays open for hours. So one thread of the process looks up the
users of all its open sockets, twice a second and in batches, and asks each socket's rule whether it
would still be let in. The users come from the cache: while their records are in it, the sockets
make no query, however many there are.

A socket lives no longer than what it signed in with. So whatever can't be found out (while neither
the cache nor the database can be reached, sockets stay open) ends with the token or key.
"""

import atexit
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as AnyDatabaseError
from django.db import close_old_connections

from usercache.codec import get_codec
from usercache.runtime import get_store
from usercache.users import get_users_by_ids
from usercache.workers import Worker

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

SWEEP_SECONDS: Final = 0.5
"""Between two looks at all sockets: with the look itself, a socket is closed within a second."""


class Admission(NamedTuple):
    """Why a socket was let in, and when it would no longer be."""

    user: "User"
    is_admitted: "Callable[[User], bool]"
    """Whether its credentials would still be accepted from this user, as they are now. Called in
    the background thread, where it may query the database."""
    expires_at: float = math.inf
    """The end of the credentials, in seconds since 1970."""


@dataclass(frozen=True, eq=False)
class _Watched:
    admission: Admission
    refuse: Callable[[], object]


class OpenSockets:
    """The open sockets of this process; `with watch(admission, refuse): …` for each."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Start without a socket, and without a thread; the first socket starts it."""
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Begin as a new process: a forked child has none of its parent's sockets and threads."""
        self._lock = threading.Lock()
        self._watched = set[_Watched]()
        self._worker = Worker(
            "usercache-open-sockets",
            self._run,
            self._note_unexpected,
            restart_seconds=0.0,  # each sweep follows a pause
        )

    @contextmanager
    def watch(self, admission: Admission, refuse: Callable[[], object]) -> Iterator[None]:
        """Call `refuse` in a background thread once the socket would no longer be let in.

        It may be called more than once, also just after the block, and must return at once.

        Raises:
            ImproperlyConfigured: the user is of another model than the cached one.
            RuntimeError: no thread can be started.
        """
        options = type(admission.user)._meta
        if options.concrete_model is not get_codec().model._meta.concrete_model:
            raise ImproperlyConfigured(
                f"{options.label} isn't AUTH_USER_MODEL, and only its users are cached: a socket "
                "of another model's can't be watched."
            )
        watched = _Watched(admission, refuse)
        with self._lock:
            self._worker.start()
            self._watched.add(watched)
        try:
            yield
        finally:
            with self._lock:
                self._watched.discard(watched)

    def sweep(self) -> None:
        """Look at each socket once: no query if the users are cached, else one for 500 of them.

        Raises:
            Exception: a rule's own, of any kind, once all sockets were looked at.
        """
        with self._lock:
            sockets = list(self._watched)
        if not sockets:
            return
        close_old_connections()  # as Django does around its own requests
        try:
            users = self._look_up({socket.admission.user.pk for socket in sockets})
            errors = [error for socket in sockets if (error := self._look_at(socket, users))]
        finally:
            close_old_connections()
        for error in errors[1:]:
            self._note_unexpected(error)
        if errors:
            raise errors[0]  # the thread logs it

    def end(self) -> None:
        """Stop looking."""
        self._worker.end()

    def __len__(self) -> int:
        return len(self._watched)

    def _run(self) -> None:
        while not self._worker.ended.wait(SWEEP_SECONDS):
            self.sweep()

    def _note_unexpected(self, error: Exception) -> None:
        get_store().events.note_unexpected(error)

    def _look_up(self, pks: set[Any]) -> "dict[Any, User] | None":
        try:
            return get_users_by_ids(pks)
        except AnyDatabaseError as error:
            get_store().events.note_error(error)
            return None

    def _look_at(self, socket: _Watched, users: "Mapping[Any, User] | None") -> Exception | None:
        is_admitted, error = False, None
        try:
            is_admitted = self._is_admitted(socket.admission, users)
        except Exception as caught:  # noqa: BLE001  # a project's rule; raised after all sockets
            error = caught
        if not is_admitted:
            socket.refuse()
        return error

    def _is_admitted(self, admission: Admission, users: "Mapping[Any, User] | None") -> bool:
        if self._clock() >= admission.expires_at:
            return False
        if users is None:
            return True
        user = users.get(admission.user.pk)
        try:
            return user is not None and admission.is_admitted(user)
        except AnyDatabaseError as error:
            get_store().events.note_error(error)
            return True


SOCKETS: Final = OpenSockets()
os.register_at_fork(after_in_child=SOCKETS.reset)
atexit.register(SOCKETS.end)
