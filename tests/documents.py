"""The documents that users read, and the code in them."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.servers.stack import PROJECT

_NOT_RUN: Final = re.compile(r"<!-- not run: (.+) -->")
_NOT_IN_ANCHORS: Final = re.compile(r"[^\w\- ]")


class Block(NamedTuple):
    """One block of code."""

    language: str
    text: str
    line: int
    """Where it begins, counted from 1."""
    reason: str
    """Why no test runs it, as `<!-- not run: … -->` before it says; empty for those that run."""

    @property
    def lines(self) -> list[str]:
        """What it says, line for line."""
        return self.text.splitlines()


def find_documents() -> list[Path]:
    """Return every Markdown file of the repository's root and of docs/."""
    return sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])


def find_blocks(document: Path) -> list[Block]:
    """Return its blocks of code."""
    return list(_blocks(_parse(document)))


def find_blocks_below(document: Path, heading: str) -> list[Block]:
    """Return the blocks between this heading and the next; none where there is no such heading."""
    tokens = _parse(document)
    starts = (n + 1 for n, token in enumerate(tokens) if token.type == "heading_open")
    return [
        block
        for start in starts
        if _text(tokens[start]) == heading
        for block in _blocks(_until_heading(tokens[start:]))
    ]


def find_targets(document: Path) -> list[str]:
    """Return what its links and pictures lead to, as it is written."""
    found = list[str]()
    for token in _parse(document):
        for child in token.children or ():
            target = child.attrs.get("href") or child.attrs.get("src")
            if target is not None:
                found.append(str(target))
    return found


def find_anchors(document: Path) -> set[str]:
    """Return the anchors of its headings, as code hosts and the site's generator spell them."""
    tokens = _parse(document)
    titles = (
        _text(tokens[n + 1]) for n, token in enumerate(tokens) if token.type == "heading_open"
    )
    return {_NOT_IN_ANCHORS.sub("", title.lower()).replace(" ", "-") for title in titles}


@cache
def _parse(document: Path) -> Sequence[Token]:
    return MarkdownIt().enable("table").parse(document.read_text())


def _blocks(tokens: Sequence[Token]) -> Iterator[Block]:
    before = ""
    for token in tokens:
        if token.type == "fence":
            assert token.map
            match = _NOT_RUN.fullmatch(before)
            yield Block(token.info, token.content, token.map[0] + 1, match[1] if match else "")
        before = token.content.strip() if token.type == "html_block" else ""


def _until_heading(tokens: Sequence[Token]) -> Sequence[Token]:
    ends = (n for n, token in enumerate(tokens) if token.type == "heading_open")
    return tokens[: next(ends, len(tokens))]


def _text(heading: Token) -> str:
    return "".join(child.content for child in heading.children or ())
