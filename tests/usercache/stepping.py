"""Run threads of real code one step at a time, in every order or in orders drawn by chance.

A step is what lies between two gates. Gates stand before each operation on the backend, and before
the statements that a scenario names. Only one thread runs at any time, so that a schedule is a
list of choices, and the same choices make the same run.
"""

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.counting import counted_events
from usercache.backends import redis
from usercache.backends.base import Backend
from usercache.conf import conf
from usercache.lookup import Store

GATE_SECONDS = 10.0
"""A thread that hasn't come to its next gate by then hangs, and the test fails."""


class CrashError(BaseException):
    """End a thread where it stands, as a killed process ends: nothing catches it."""


class Actor:
    """One thread under the scheduler's hand."""

    def __init__(self, name: str, play: Callable[[], object]) -> None:
        self.name = name
        self.at: str | None = None
        self.result: object = None
        self.error: BaseException | None = None
        self.ended = False
        self._play = play
        self._go = threading.Semaphore(0)
        self._arrived = threading.Semaphore(0)
        self._crash = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Run to the first gate."""
        _actors[self._thread] = self
        self._thread.start()
        self._wait()

    def step(self) -> None:
        """Run to the next gate, or to the end."""
        self._go.release()
        self._wait()

    def crash(self) -> None:
        """End the thread at the gate where it stands."""
        self._crash = True
        self.step()

    def arrive(self, gate: str) -> None:
        """Stand at a gate until the scheduler says go. Called by the actor's own thread."""
        self.at = gate
        self._arrived.release()
        self._go.acquire()
        if self._crash:
            self._crash = False
            raise CrashError

    def _run(self) -> None:
        try:
            self.result = self._play()
        except CrashError:
            self.result = "crashed"
        except BaseException as error:  # noqa: BLE001  # raised again in the test's thread
            self.error = error
        finally:
            self.at, self.ended = None, True
            self._arrived.release()

    def _wait(self) -> None:
        assert self._arrived.acquire(timeout=GATE_SECONDS), f"{self.name} hangs after {self.at}"
        if self.ended:
            self._thread.join(GATE_SECONDS)
            _actors.pop(self._thread, None)
            if self.error is not None:
                raise self.error


_actors: dict[threading.Thread, Actor] = {}


def gate(name: str) -> None:
    """Stand at a gate, if the running thread is an actor's."""
    actor = _actors.get(threading.current_thread())
    if actor is not None:
        actor.arrive(name)


class GatedBackend:
    """A backend with a gate before every operation of the protocol."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.name = backend.name

    def __getattr__(self, name: str) -> object:
        operation = getattr(self._backend, name)

        def gated(*args: object, **kwargs: object) -> object:
            gate(name)
            return operation(*args, **kwargs)

        return gated if callable(operation) else operation


class EmptyL1:
    """A client-side cache that is on, and whose every record has just been dropped."""

    def snapshot_versions(self, keys: Iterable[str]) -> dict[str, int]:
        return dict.fromkeys(keys, 0)

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: None


def make_gated_store(*, has_l1: bool = False) -> Store:
    """Return a store on Redis with a gate before each of its operations.

    Redis stands in the memory backend's place, so that no breaker and no second backend interfere.
    """
    gated = GatedBackend(redis.connect(conf.USERCACHE_REDIS_ALIAS))
    store = Store(
        memory=gated,  # type: ignore[arg-type]
        events=counted_events(),
        random=lambda: 0.0,
        sleep=lambda _seconds: None,
    )
    store.l1 = EmptyL1() if has_l1 else None  # type: ignore[assignment]  # a stand-in
    return store


@dataclass
class Choices:
    """Which actor moved at each step of a run, out of which."""

    prefix: Sequence[int] = ()
    taken: list[int] = field(default_factory=list)
    options: list[int] = field(default_factory=list)
    draw: random.Random | None = None

    def choose(self, count: int) -> int:
        """Return which of `count` to take: the prefix's, then the first, or one by chance."""
        at = len(self.taken)
        if at < len(self.prefix):
            choice = self.prefix[at]
        else:
            choice = self.draw.randrange(count) if self.draw else 0
        self.taken.append(choice)
        self.options.append(count)
        return choice


def every_schedule() -> Iterator[Choices]:
    """Yield choices for each schedule there is; the caller plays one before asking for the next."""
    prefix: list[int] | None = []
    while prefix is not None:
        choices = Choices(prefix)
        yield choices
        prefix = None
        for at in reversed(range(len(choices.taken))):
            if choices.taken[at] + 1 < choices.options[at]:
                prefix = [*choices.taken[:at], choices.taken[at] + 1]
                break


def some_schedules(count: int, seed: int) -> Iterator[Choices]:
    """Yield choices by chance; the same seed yields the same ones."""
    for number in range(count):
        yield Choices(draw=random.Random(f"{seed}/{number}"))


def play(
    actors: Sequence[Actor],
    choices: Choices,
    can_step: Callable[[Actor], bool],
    step: Callable[[Actor], None],
) -> None:
    """Run the actors to their ends in the order of the choices.

    `can_step` says which may move now: one that would wait for another's row lock may not.
    """
    for actor in actors:
        actor.start()
    while alive := [actor for actor in actors if not actor.ended]:
        movable = [actor for actor in alive if can_step(actor)]
        assert movable, "every actor waits for another"
        step(movable[choices.choose(len(movable))])
