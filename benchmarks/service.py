"""The child's end of a conversation in lines of JSON: do what is asked, answer, wait."""

import json
import sys
from collections.abc import Callable, Mapping


def serve(commands: Mapping[str, Callable[..., object]]) -> None:
    """Answer until there is nothing more to read; what a command raises ends the process."""
    for line in sys.stdin:
        request = json.loads(line)
        answer = commands[request.pop("command")](**request)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
