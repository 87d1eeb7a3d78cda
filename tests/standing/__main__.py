"""`python -m tests.standing up` and `down`: start the whole topology, and end all of it.

`up` leaves a supervisor behind, whose children the servers are: on Linux they die with it, also
when it is killed. `down` ends the supervisor, then whatever is left, and removes the folder.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.servers.errors import ServerUnavailableError
from tests.servers.stack import PROJECT
from tests.standing import processes
from tests.standing.processes import MARK, Known

DIRECTORY: Final = PROJECT / ".fleet"
SUPERVISOR: Final = "supervisor.json"
READY: Final = "ready.json"
LOG: Final = "supervisor.log"
START_SECONDS: Final = 900
POLL_SECONDS: Final = 0.1
SEGMENT_LINE: Final = 6
"""Of postmaster.pid: key and id of the shared memory that a killed PostgreSQL leaves behind."""


def up(directory: Path) -> int:
    """Start the fleet, print where it is, and return while it runs."""
    if find_supervisor(directory) is not None:
        sys.stderr.write("The fleet is up already. End it by: make fleet-down\n")
        return 1
    down(directory)  # what a crash may have left
    directory.mkdir(mode=0o711)
    is_up = False
    try:
        with (directory / LOG).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.standing", "run", directory],
                cwd=PROJECT,
                env=os.environ | {MARK: str(directory)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        (directory / SUPERVISOR).write_text(json.dumps(processes.find(process.pid)))
        is_up = _wait_until_ready(directory, process)
        if not is_up:
            sys.stderr.write(f"The fleet did not start.\n{(directory / LOG).read_text()}\n")
            return 1
    finally:
        if not is_up:  # interrupted, too
            down(directory)
    for name, value in json.loads((directory / READY).read_text()).items():
        sys.stdout.write(f"{name:<22} {value}\n")
    return 0


def down(directory: Path) -> int:
    """End all processes of the fleet and remove its folder; there may be none."""
    supervisor = find_supervisor(directory)
    if supervisor is not None:
        processes.stop(supervisor)
    processes.sweep(directory)
    for segment in _find_shared_memory(directory):
        # In vain where PostgreSQL had come to an orderly end of its processes.
        subprocess.run(["ipcrm", "--shmem-id", segment], check=False, capture_output=True)
    if directory.exists():
        shutil.rmtree(directory)
    return 0


def run(directory: Path) -> int:
    """Be the supervisor: start the servers, and stop them on SIGTERM."""
    from tests.standing.topology import Topology  # noqa: PLC0415  # `down` must not need it

    with ExitStack() as stack:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        try:
            found = Topology(directory, stack).describe()
        except ServerUnavailableError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        # Whole or not at all.
        (directory / LOG).with_name("ready.tmp").write_text(json.dumps(found))
        (directory / "ready.tmp").rename(directory / READY)
        while True:
            signal.pause()


def find_supervisor(directory: Path) -> Known | None:
    """Return the fleet's supervisor if it runs."""
    try:
        known = Known(*json.loads((directory / SUPERVISOR).read_text()))
    except FileNotFoundError:
        return None
    return known if processes.find(known.pid) == known else None


def _find_shared_memory(directory: Path) -> Iterator[str]:
    for file in directory.glob("*/data/postmaster.pid"):
        lines = file.read_text().splitlines()
        if len(lines) > SEGMENT_LINE:  # else it was killed before it had any
            _, segment = lines[SEGMENT_LINE].split()
            yield segment


def _wait_until_ready(directory: Path, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if (directory / READY).exists():
            return True
        time.sleep(POLL_SECONDS)
    return False


if __name__ == "__main__":
    command = {"up": up, "down": down, "run": run}[sys.argv[1]]
    sys.exit(command(Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else DIRECTORY))
