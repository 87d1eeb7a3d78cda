"""The steps that the documentation gives for another project, as its own text has them."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from tests.documents import Block, find_blocks_below, find_documents

INSTALLING: Final = "In another project"
UNINSTALLING: Final = "Uninstalling it"
INSTALL: Final = "pip install"
MANAGE: Final = "python manage.py "
RELAY: Final = "cache_relay"


class Instructions(NamedTuple):
    """What a reader pastes and types."""

    install: str
    """The shell command that installs the package."""
    files: dict[str, str]
    """Code to paste, by the name of the file that its first line names."""
    commands: list[str]
    """What is given to manage.py, in order; the relay, which stays, is left out."""
    uninstalling: list[str]
    """What is given to manage.py by those who want to be rid of it."""


def read_instructions() -> Instructions:
    """Read the sections with these headings, wherever they are."""
    blocks = _read(INSTALLING)
    install, *commands = _shell(blocks)
    assert install.startswith(INSTALL)
    commands = [*map(_managed, commands)]
    assert commands.pop() == RELAY
    uninstalling = [_managed(line) for line in _shell(_read(UNINSTALLING))]
    files = dict(_name(block) for block in blocks if block.language == "python")
    return Instructions(install, files, commands, uninstalling)


def adopt_manager(pasted: str, models: str) -> str:
    """Put what is pasted into a project's models as its reader does: its manager, and one line."""
    manager, _, body = pasted.partition("class User(")
    line = body.partition("\n")[2]
    if "class UserManager(" in models:  # the project's own, in place of Django's
        manager = manager.replace("from django.contrib.auth.models import UserManager\n", "")
    before, model, after = re.split(r"^(class User\(.*\n)", models, flags=re.MULTILINE)
    assert line.strip()
    after = after.replace("    objects = UserManager()\n", "")  # what the line takes the place of
    return f"{before}{manager}{model}{line}{after}"


def choose_columns(settings: str, columns: tuple[str, ...]) -> str:
    """Name a project's own columns."""
    pattern = re.compile(r"^USERCACHE_FIELDS = \([^)]*\)", re.MULTILINE)
    assert pattern.search(settings)
    return pattern.sub(f"USERCACHE_FIELDS = {columns}", settings)


def _read(heading: str) -> list[Block]:
    found = (find_blocks_below(path, heading) for path in find_documents())
    [blocks] = filter(None, found)
    return blocks


def _shell(blocks: list[Block]) -> list[str]:
    return [line for block in blocks if block.language == "sh" for line in block.lines]


def _managed(line: str) -> str:
    assert line.startswith(MANAGE)
    return line.removeprefix(MANAGE).partition("#")[0].strip()


def _name(block: Block) -> tuple[str, str]:
    name = block.lines[0].removeprefix("# ")
    assert Path(name).suffix == ".py"
    return name, block.text
