"""Measure what `prepare_avatar` takes.

`ls FILE... | python -m tests.accounts.pictures.avatar_meter`: for each file a line of JSON, from a
child of this process that has done nothing else: MiB of memory above the idle process, seconds of
processor time, what became of it.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

import django
from django.core.exceptions import ValidationError

KIB_PER_MIB = 1024
REFERENCE_STEPS = 1_000_000


def measure(data: bytes) -> dict[str, object]:
    """Prepare once, in a child."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writer, json.dumps(_prepare(data)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answers:
        answer: dict[str, object] = json.loads(answers.read() or b'{"outcome": "killed"}')
    return answer


def _prepare(data: bytes) -> dict[str, object]:
    from accounts.pictures.avatars import prepare_avatar  # noqa: PLC0415  # wants settings

    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    try:
        outcome = f"{len(prepare_avatar(data))} bytes"
    except ValidationError as error:
        outcome = error.message_dict["file"][0]
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"mib": (peak - idle) / KIB_PER_MIB, "seconds": seconds, "outcome": outcome}


def measure_reference() -> float:
    """Return the processor time of a loop that tells how fast this machine is just now."""
    began = time.process_time()
    sum(step * step for step in range(REFERENCE_STEPS))
    return time.process_time() - began


def main() -> None:
    """Print a line for each file that is named on standard input."""
    django.setup()
    from accounts.pictures.avatars import prepare_avatar  # noqa: PLC0415  # wants settings
    from tests.accounts.pictures.test_avatars import picture  # noqa: PLC0415  # likewise

    for kind in ("JPEG", "PNG", "WEBP"):  # what a process loads once
        prepare_avatar(picture(kind))
    for line in sys.stdin:
        data = Path(line.strip()).read_bytes()
        sys.stdout.write(json.dumps(measure(data) | {"reference": measure_reference()}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
