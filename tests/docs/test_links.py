"""Every link, path and make target in the documentation exists."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import pytest

from tests.documents import find_anchors, find_blocks_below, find_documents, find_targets
from tests.servers.stack import PROJECT

PATH: Final = re.compile(r"`((?:usercache|accounts|hiremebahamas|tests|benchmarks|docs)/[\w./-]+)`")
MAKE: Final = re.compile(r"(?:`|^)make ([a-z]+)\b", re.MULTILINE)
TARGETS: Final = re.compile(r"^([a-z]+):.*##", re.MULTILINE)
MAP: Final = PROJECT / "docs" / "how-it-works.md"
UNMAPPED: Final = {"__init__.py", "__pycache__", "apps.py", "py.typed"}


@pytest.mark.parametrize(
    "document", find_documents(), ids=lambda path: str(path.relative_to(PROJECT))
)
def test_links(document: Path) -> None:
    """A link to a file or a heading finds it; other addresses are another's affair."""
    for target in find_targets(document):
        parts = urlsplit(target)
        if parts.scheme:
            continue
        path = (document.parent / unquote(parts.path)).resolve() if parts.path else document
        assert path.exists(), target
        assert path.is_relative_to(PROJECT), target
        if parts.fragment:
            assert parts.fragment in find_anchors(path), target


@pytest.mark.parametrize(
    "document", find_documents(), ids=lambda path: str(path.relative_to(PROJECT))
)
def test_paths(document: Path) -> None:
    """A file or folder that a document names in backticks is there."""
    named = PATH.findall(document.read_text())
    assert [path for path in named if not (PROJECT / path).exists()] == []


@pytest.mark.parametrize(
    "document", find_documents(), ids=lambda path: str(path.relative_to(PROJECT))
)
def test_make(document: Path) -> None:
    """What a document has its reader make is a target of the Makefile."""
    named = set(MAKE.findall(document.read_text()))
    targets = TARGETS.findall((PROJECT / "Makefile").read_text())
    assert targets
    assert named <= set(targets)


def test_map() -> None:
    """The map names what is there, and all that is in `usercache`."""
    [block] = find_blocks_below(MAP, "The map")
    named, root = set[Path](), PROJECT
    for line in block.lines:
        names = re.split(r"\s{2,}", line.strip())[0].split(", ")
        if not line.startswith(" "):
            root = PROJECT / names[0]
            named.add(root)
        else:
            named |= {root / name for name in names}
    assert {path for path in named if not path.exists()} == set()
    package = PROJECT / "usercache"
    assert {
        path
        for path in package.iterdir()
        if path not in named and path.name not in UNMAPPED and _has_files(path)
    } == set()


def _has_files(path: Path) -> bool:
    # A folder that was moved away may be left with what the interpreter cached.
    return path.is_file() or any(
        found.is_file() and found.suffix != ".pyc" for found in path.rglob("*")
    )
