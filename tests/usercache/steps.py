"""Count what code does, where a bound on seconds would depend on the machine."""

import inspect
import sys
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any


def count_steps(act: Callable[[], object], module: ModuleType) -> int:
    """Return how many bytecode instructions of this module's own functions an act takes."""
    steps = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal steps
        if frame.f_code.co_filename != module.__file__:
            return None
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return trace

    # Python 3.12 looks for instructions from here on if any frame wants them by now.
    frame = inspect.currentframe()
    assert frame
    frame.f_trace_opcodes = True
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return steps
