"""Every block of code in the documentation runs, or says beside it why no test runs it."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from django.core.management import call_command

from accounts.models import User
from tests.accounts.openid_connect.provider import Provider, list_variables
from tests.documents import Block, find_blocks, find_documents
from tests.e2e.web_server import WAIT_VARIABLES, WebServer
from tests.processes import environment
from tests.servers.stack import PROJECT

RUN_SECONDS: Final = 120
SERVER_ADDRESS: Final = "http://127.0.0.1:8000"
"""Where `make run` serves, as the documentation has it."""
SETTINGS: Final = "# settings.py"
"""The first line of what is pasted into another project's settings."""
TELL_STATUS: Final = "curl() { command curl -w '%{stderr}status %{http_code}\\n' \"$@\"; }\n"
"""Has each request's status told beside its answer."""
PARSERS: Final[dict[str, Callable[[str], object]]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
}
SHOWN: Final = {"text", "diff"}
"""What is read, and not run."""

DOCUMENTS: Final = [
    pytest.param(path, id=str(path.relative_to(PROJECT)))
    for path in find_documents()
    if find_blocks(path)
]
SETTINGS_BLOCKS: Final = [
    pytest.param(block, id=f"{path.name}:{block.line}")
    for path in find_documents()
    for block in find_blocks(path)
    if block.language == "python" and block.text.startswith(SETTINGS)
]


def _running(document: Path, language: str) -> list[Block]:
    return [
        block
        for block in find_blocks(document)
        if block.language == language and not block.reason and not block.text.startswith(SETTINGS)
    ]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_languages(document: Path) -> None:
    """Each block names its language, and it is one that a test runs or reads."""
    for block in find_blocks(document):
        where = f"{document.name}:{block.line}"
        assert block.language in {"sh", "python", *PARSERS, *SHOWN}, where
        if block.language in PARSERS:
            PARSERS[block.language](block.text)


@pytest.mark.django_db(transaction=True)
def test_shell(dora: User, tmp_path: Path) -> None:
    """A document's commands succeed one after the other, in one shell, beside a server that runs.

    Requests are answered by 2xx, or by the status that a comment beside them gives.
    """
    with Provider() as provider, _serve(tmp_path, provider) as server:
        for document in find_documents():
            script = "".join(block.text for block in _running(document, "sh"))
            here = f"{TELL_STATUS}{script.replace(SERVER_ADDRESS, server.url)}"
            answer = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", here],
                cwd=PROJECT,
                env=environment(),
                check=False,
                capture_output=True,
                text=True,
                timeout=RUN_SECONDS,
            )
            assert answer.returncode == 0, f"{document}: {answer.stdout}{answer.stderr}"
            expected = [_status(request) for request in script.split("curl ")[1:]]
            statuses = re.findall(r"^status (\d)(\d\d)$", answer.stderr, re.MULTILINE)
            for (kind, rest), status in zip(statuses, expected, strict=True):
                assert status in {f"{kind}xx", f"{kind}{rest}"}, f"{document}: {answer.stdout}"


@pytest.mark.django_db(transaction=True)
def test_python(alice: User) -> None:
    """A document's Python runs, block after block, with Django set up and a user to look up."""
    for document in find_documents():
        names: dict[str, Any] = {"__name__": document.stem}
        for block in _running(document, "python"):
            lines = "\n" * block.line + block.text  # so that a traceback names the document's line
            exec(compile(lines, document, "exec"), names)


@pytest.mark.parametrize("block", SETTINGS_BLOCKS)
@pytest.mark.parametrize("redis_url", ["", "redis://127.0.0.1:6379/0"])
def test_settings(block: Block, redis_url: str, tmp_path: Path) -> None:
    """`manage.py check` finds no error in a new project with these settings pasted in."""
    variables = {
        name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"
    }
    variables |= {
        "PYTHONPATH": str(PROJECT),
        "REDIS_URL": redis_url,
        "USERCACHE_SIGNING_KEY": os.environ["USERCACHE_SIGNING_KEY"],
    }
    call_command("startproject", "shop", tmp_path)
    with (tmp_path / "shop" / "settings.py").open("a") as file:
        file.write(block.text)
    _run([sys.executable, "manage.py", "check", "--tag", "caches"], tmp_path, variables)


def _serve(directory: Path, provider: Provider) -> WebServer:
    variables = WAIT_VARIABLES | list_variables(provider.issuer)
    return WebServer(directory, processes=1, variables=variables)


def _status(request: str) -> str:
    told = re.search(r"# (\d{3})\b", request)
    return told[1] if told else "2xx"


def _run(command: list[str], cwd: Path, variables: dict[str, str]) -> None:
    answer = subprocess.run(
        command,
        cwd=cwd,
        env=variables,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert answer.returncode == 0, answer.stdout
