"""The page of settings names those that there are, with their defaults."""

import ast
import inspect
import itertools
import re
from pathlib import Path
from typing import Any, Final

from tests.servers.stack import PROJECT
from usercache import conf

PAGE: Final = PROJECT / "docs" / "settings.md"
VARIABLE: Final = re.compile(r"^(?:# )?([A-Z][A-Z0-9_]+)=", re.MULTILINE)


def _descriptions() -> dict[str, str]:
    [body] = [
        node.body
        for node in ast.parse(inspect.getsource(conf)).body
        if isinstance(node, ast.ClassDef) and node.name == conf.Conf.__name__
    ]
    named = {}
    for assignment, description in itertools.pairwise(body):
        match assignment, description:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                named[name] = " ".join(text.split())
    return named


def _number(value: float) -> str:
    return f"{value:,g}" if value < 1_000_000 else f"{int(value):,}"


def _row(name: str, setting: "conf.Setting[Any]", description: str) -> str:
    default = setting.default
    is_number = isinstance(default, int | float) and not isinstance(default, bool)
    shown = _number(default) if is_number else f"`{default!r}`".replace("'", '"')
    limits = ""
    if setting.unit:
        limits = f"{_number(setting.low)} to {_number(setting.high)} {setting.unit}"
    return f"| `{name}` | {shown} | {limits} | {description} |"


def test_settings_are_those_of_conf() -> None:
    """The table has a row for each setting, made of its default, range and docstring in conf.py."""
    descriptions = _descriptions()
    rows = [_row(name, setting, descriptions[name]) for name, setting in conf.SETTINGS.items()]
    written = [line for line in PAGE.read_text().splitlines() if line.count("|") == 5]
    found = [line for line in written if line.startswith("| `USERCACHE_")]
    assert found == rows, "\n".join(["The table should be:", *rows])


def test_variables_are_those_of_the_example() -> None:
    """Each variable of `.env.example` has a row in the page."""
    variables = set(VARIABLE.findall(Path(PROJECT / ".env.example").read_text()))
    assert variables
    page = PAGE.read_text()
    assert {name for name in variables if f"`{name}`" not in page} == set()
