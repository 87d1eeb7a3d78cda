"""Requests to the product's own WSGI application, without a server: what they cost, and where.

Run as a program by `benchmarks/parts/endpoints.py`, with any commit's code: nothing here may be
imported from this one's but the standard library and `benchmarks.service`.
"""

import io
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final
from unittest import mock

import django
from django.conf import settings

if __name__ == "__main__":
    django.setup()

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import connection
from django.test.utils import override_settings
from django.urls import get_resolver
from redis.connection import AbstractConnection

from benchmarks.service import serve
from hiremebahamas.wsgi import application
from usercache.runtime import await_verdict
from usercache.users import get_user_by_id

MICROSECONDS: Final = 1e6
OK: Final = "200"
AT_ONCE: Final = 10
"""Calls between two looks at the clock."""
Request = Mapping[str, str]
"""`method`, `path` with its query, `token` and `body`; each may be empty."""


def ask(request: Request, application: Any = application) -> bytes:
    """Return the body of the answer. Raises: RuntimeError unless it is a 200."""
    statuses: list[str] = []
    response = application(make_environ(request), lambda status, _: statuses.append(status))
    try:
        body = b"".join(response)
    finally:
        getattr(response, "close", bool)()
    if not statuses[0].startswith(OK):
        raise RuntimeError(f"{request['path']}: {statuses[0]} {body.decode()}")
    return body


def make_environ(request: Request) -> dict[str, Any]:
    """Return what a server hands over of a request."""
    path, _, query = request["path"].partition("?")
    body = request["body"].encode()
    entity = {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))} if body else {}
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {request['token']}"} if request["token"] else {}
    return {
        "REQUEST_METHOD": request["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        **entity,
        **bearer,
    }


def show(requests: Sequence[Request]) -> list[str]:
    """Return the bodies of the answers."""
    return [ask(request).decode() for request in requests]


def time_requests(requests: Mapping[str, Sequence[Request]], seconds: float) -> dict[str, float]:
    """Return the microseconds of this thread's processor time that a request of each name took.

    They take turns request by request, so that what slows the machine slows all of them.
    """
    took, rounds, end = dict.fromkeys(requests, 0.0), 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, choice in requests.items():
            began = time.thread_time()
            ask(choice[rounds % len(choice)])
            took[name] += time.thread_time() - began
        rounds += 1
    return {name: total / rounds * MICROSECONDS for name, total in took.items()}


def count_operations(requests: Sequence[Request]) -> dict[str, float]:
    """Return how many `queries` and `redis` round trips a request makes before its answer."""
    counted, own = Counter[str](), threading.get_ident()
    send: Any = AbstractConnection.send_packed_command

    def count_query(execute: Callable[..., Any], *arguments: Any) -> Any:
        counted["queries"] += 1
        return execute(*arguments)

    def count_round_trip(self: Any, *arguments: Any, **options: Any) -> Any:
        counted["redis"] += threading.get_ident() == own
        return send(self, *arguments, **options)

    with (
        mock.patch.object(AbstractConnection, "send_packed_command", count_round_trip),
        connection.execute_wrapper(count_query),
    ):
        for request in requests:
            ask(request)
    return {name: counted[name] / len(requests) for name in ("queries", "redis")}


def set_password(pks: Sequence[int], password: str) -> None:
    """Let these users log in."""
    get_user_model()._default_manager.filter(pk__in=pks).update(password=make_password(password))


def time_layers(request: Request, repeats: int) -> dict[str, float]:
    """Return the microseconds of processor time that each layer takes, without those within it."""
    names = [*_list_middlewares()]
    handlers = {
        str(count): partial(ask, request, _make_handler(names[:count]))
        for count in range(len(names) + 1)
    }
    took = _time_in_turn(handlers | _list_parts(request), repeats)
    layers = {
        name.rpartition(".")[2]: took[str(count)] - took[str(count - 1)]
        for count, name in enumerate(names, 1)
    }
    view = {name: took[name] for name in ("negotiation", "authentication", "look-up", "view")}
    view["authentication"] -= view["look-up"]
    return {
        "WSGI, request, signals": took["0"] - took["routing"] - took["dispatch and rendering"],
        **layers,
        "routing": took["routing"],
        "DRF dispatch": took["dispatch"] - sum(view.values()),
        **view,
        "rendering": took["dispatch and rendering"] - took["dispatch"],
    }


def _time_in_turn(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    # The least of each: what slows the machine for a while is no layer's.
    took: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            began = time.thread_time()
            for _ in range(AT_ONCE):
                call()
            took[name].append((time.thread_time() - began) / AT_ONCE * MICROSECONDS)
    return {name: min(values) for name, values in took.items()}


def _list_middlewares() -> Iterator[str]:
    # Those that a request to the API goes through.
    for path in settings.MIDDLEWARE:
        yield path
        if path.endswith("session_pages_middleware"):  # what follows is for other pages
            break


def _make_handler(middleware: Sequence[str]) -> WSGIHandler:
    with override_settings(MIDDLEWARE=list(middleware)):
        return WSGIHandler()


def _list_parts(request: Request) -> dict[str, Callable[[], object]]:
    # What happens within Django's handler, each part by itself.
    path = request["path"].partition("?")[0]
    match = get_resolver().resolve(path)

    def dispatch() -> Any:
        return match.func(WSGIRequest(make_environ(request)), *match.args, **match.kwargs)

    view: Any = match.func.cls(**match.func.initkwargs)  # type: ignore[attr-defined]  # DRF's
    http_request = WSGIRequest(make_environ(request))
    view.setup(http_request, *match.args, **match.kwargs)
    view.request = view.initialize_request(http_request, *match.args, **match.kwargs)
    view.format_kwarg = None
    user = view.request.user

    def negotiate() -> object:
        # What a request keeps of its headers is for this request alone.
        for kept, name in ((view.request, "_parsed_accept_list"), (http_request, "headers")):
            vars(kept).pop(name, None)
        vars(http_request).pop("GET", None)
        return view.perform_content_negotiation(view.request)

    return {
        "routing": lambda: get_resolver().resolve(path),
        "negotiation": negotiate,
        "authentication": lambda: view.get_authenticators()[0].authenticate(view.request),
        "look-up": lambda: get_user_by_id(user.pk),
        "view": lambda: view.get(view.request, *match.args, **match.kwargs),
        "dispatch": dispatch,
        "dispatch and rendering": lambda: dispatch().render(),
    }


COMMANDS: Final = {
    command.__name__: command
    for command in (show, time_requests, count_operations, set_password, time_layers)
}

if __name__ == "__main__":
    await_verdict()
    serve(COMMANDS)
