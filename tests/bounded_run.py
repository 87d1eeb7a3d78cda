"""`python -m tests.bounded_run SECONDS COMMAND …`: a command that takes no longer, in any case.

Past that, all processes of its group show their stacks, where they have Python's faulthandler on,
and are killed; the exit code is then 124, as timeout(1) has it, else the command's own.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

TIMED_OUT = 124
STACKS_SECONDS = 30
"""For writing them."""


def run(seconds: float, command: Sequence[str]) -> int:
    """Run it, and return its exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A shell may have left it ignored, as in the background; our children would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A group of its own: what it has started is ended with it.
    process = subprocess.Popen(command, process_group=0)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"Not over in {seconds:g} s; it is ended:\n")
        sys.stderr.flush()
        _end(process, signal.SIGABRT)
        return TIMED_OUT
    except KeyboardInterrupt:
        _end(process, signal.SIGINT)
        return 128 + signal.SIGINT


def _end(process: "subprocess.Popen[bytes]", how: signal.Signals) -> None:
    os.killpg(process.pid, how)
    try:
        process.wait(STACKS_SECONDS)
    finally:
        # Until it is waited for, the group's number is nobody else's; after, perhaps.
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


if __name__ == "__main__":
    sys.exit(run(float(sys.argv[1]), sys.argv[2:]))
