"""Another commit's code, beside this one's."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.errors import BenchmarkError
from tests.servers.stack import PROJECT


@contextmanager
def check_out(commit: str, directory: Path) -> Iterator[Path]:
    """Yield a folder in `directory` with the commit's files; remove it afterwards.

    Raises: BenchmarkError if there is no such commit.
    """
    folder = directory / "checkout"
    _run_git("worktree", "add", "--quiet", "--detach", str(folder), commit)
    try:
        yield folder
    finally:
        _run_git("worktree", "remove", "--force", str(folder))


def _run_git(*arguments: str) -> None:
    result = subprocess.run(
        ["git", *arguments], cwd=PROJECT, check=False, capture_output=True, text=True
    )
    if result.returncode:
        raise BenchmarkError(result.stderr.strip())
