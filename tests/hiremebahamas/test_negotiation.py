"""Renderers and their JSON are chosen and written as DRF does both."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from rest_framework import renderers
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory

from hiremebahamas.negotiation import ContentNegotiation
from hiremebahamas.rendering import JSONRenderer

ENTRIES = (
    "application/json",
    "application/json; indent=4",
    "application/json;q=0.5",
    "APPLICATION/JSON",
    "application/*",
    "application/xml",
    "text/html",
    "*/*",
    "*/*;q=0.8",
    "",
    "nonsense",
    "application/json" + "x" * 300,
)
ACCEPTS = [
    *(", ".join(entries) for n in (1, 2, 3) for entries in itertools.product(ENTRIES, repeat=n)),
    "application/json," + "text/html," * 5000,
    "text/html," * 5000 + "application/json",
]
DATA: tuple[object, ...] = (
    {},
    [],
    "",
    0,
    False,
    {"b": 1, "a": [None, True, 1.5, -0.0, 1e300]},
    {"text": '"\\/\b\f\n\r\t\x00\x1f\x7f\u2028\u2029<>&é🏝️'},
    {2: "a", None: "b", True: "c"},
)


def choose(
    negotiation: DefaultContentNegotiation,
    accept: str | None,
    offered: Sequence[type[renderers.BaseRenderer]],
) -> Any:
    """Return the renderer's class and the media type, or the refusal."""
    request = Request(
        APIRequestFactory().get("/", headers=None if accept is None else {"Accept": accept})
    )
    try:
        renderer, media_type = negotiation.select_renderer(request, [kind() for kind in offered])
    except NotAcceptable:
        return NotAcceptable
    # Of two spellings in one header, DRF takes any.
    return type(renderer), str(media_type).lower()


@pytest.mark.parametrize(
    "offered",
    [
        [JSONRenderer],
        [JSONRenderer, renderers.StaticHTMLRenderer],
        [renderers.StaticHTMLRenderer, JSONRenderer],
    ],
)
def test_the_choice_is_drf_s(offered: Sequence[type[renderers.BaseRenderer]]) -> None:
    """Of one renderer and of two, for every header."""
    for accept in (None, *ACCEPTS):
        by_drf = choose(DefaultContentNegotiation(), accept, offered)
        assert choose(ContentNegotiation(), accept, offered) == by_drf, accept


def test_a_suffix_in_the_path_chooses() -> None:
    """Whatever the header says."""
    request = Request(APIRequestFactory().get("/", headers={"Accept": "application/json"}))
    offered = [JSONRenderer(), renderers.StaticHTMLRenderer()]
    for negotiation in (DefaultContentNegotiation(), ContentNegotiation()):
        with pytest.raises(NotAcceptable):
            negotiation.select_renderer(request, offered, "html")


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("media_type", ["application/json", "application/json; indent=2", None])
def test_json_is_drf_s(data: object, media_type: str | None) -> None:
    """Byte for byte, compact and indented."""
    by_drf = renderers.JSONRenderer().render(data, media_type, {})
    assert JSONRenderer().render(data, media_type, {}) == by_drf


def test_nothing_is_an_empty_body() -> None:
    """As a 204 has it."""
    assert JSONRenderer().render(None, "application/json", {}) == b""


@pytest.mark.parametrize("data", [float("nan"), {"a": float("inf")}, {"a": object()}])
def test_what_json_has_not_is_an_error(data: object) -> None:
    """Of the same kind as DRF's."""
    with pytest.raises((ValueError, TypeError)) as by_drf:
        renderers.JSONRenderer().render(data, "application/json", {})
    with pytest.raises(by_drf.type):
        JSONRenderer().render(data, "application/json", {})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("accept", "status_code"),
    [("text/html", 406), ("application/json;q=0.1, text/html", 401), ("*/*", 401)],
)
def test_clients_that_take_no_json_are_refused(accept: str, status_code: int) -> None:
    """Before they are asked for a token."""
    response = APIClient().get("/auth/verify", HTTP_ACCEPT=accept)
    assert (response.status_code, response.headers["Content-Type"]) == (
        status_code,
        "application/json",
    )
