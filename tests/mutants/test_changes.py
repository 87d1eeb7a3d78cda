"""What mutation testing changes: code, constants, Lua and SQL, one thing at a time."""

import runpy
from pathlib import Path

from tests.mutants.__main__ import read_reasons
from tests.mutants.changes import list_changes
from tests.mutants.forking import swap_functions
from tests.mutants.modules import MODULES
from tests.servers.stack import PROJECT

SOURCE = '''
WAIT_SECONDS = 5
SCRIPT = """
if redis.call("GET", KEYS[1]) == ARGV[1] and true then return 1 end
"""


def f(a, b):
    stop(a)
    a.b = 3
    return a < b and not b
'''

SAME_WHEN_RUN = '''
"""Module 7."""
if TYPE_CHECKING:
    from a import b


def f(a: Literal[7], *, b: Literal[7] = None) -> Literal[7]:
    """Return 7."""
    logger.warning("said")
    a.b: Literal[7]
'''
FUNCTION = """
from functools import cache


@cache
def f(a):
    return a + 7
"""


def test_each_change_is_named_by_what_it_changes() -> None:
    """So that a list of survivors can speak of it; no two are called the same."""
    changes = {change.name: change.source for change in list_changes(SOURCE)}
    assert len(changes) == len(list(list_changes(SOURCE)))
    for name in (
        "NumberReplacer: WAIT_SECONDS = 5 -> WAIT_SECONDS = 6",
        "ReplaceComparisonOperator_Lt_LtE: return a < b and not b -> return a <= b and not b",
        "StatementRemover: stop(a) -> pass",
        "StatementRemover: a.b = 3 -> pass",
    ):
        assert name in changes
    assert any(
        name.startswith("ScriptReplacer") and "KEYS[1]) ~= ARGV[1] and true" in name
        for name in changes
    )


def test_every_change_can_be_run() -> None:
    """It is Python still, and not the same as before."""
    for change in list_changes(SOURCE):
        compile(change.source, "changed", "exec")
        assert change.source != SOURCE


def test_what_is_the_same_when_run_is_left_alone() -> None:
    """Annotations, docstrings, imports for types and log messages: nobody could notice."""
    assert [change.name for change in list_changes(SAME_WHEN_RUN)] == []


def test_a_script_is_changed_within_an_f_string_too() -> None:
    """SQL and Lua that is put together from constants is most of what Redis and PostgreSQL run."""
    changed = [change.source for change in list_changes('a = f"SELECT {b} WHERE c IS NOT FALSE"')]
    assert 'a = f"SELECT {b} WHERE c IS TRUE"' in changed


def test_a_changed_number_is_tried_once() -> None:
    """One more says as much as one less."""
    assert len([c for c in list_changes("a = 7") if c.name.startswith("Number")]) == 1


def test_change_within_a_function_needs_no_import(tmp_path: Path) -> None:
    """Those that have imported the function run the changed code, behind its decorators too."""
    file = tmp_path / "changed_module.py"
    file.write_text(FUNCTION)
    imported = runpy.run_path(str(file))["f"]
    by_name = {change.name: change for change in list_changes(FUNCTION)}
    change = by_name["ReplaceBinaryOperator_Add_Sub: return a + 7 -> return a - 7"]
    assert change.is_in_function
    assert not by_name["RemoveDecorator: @cache -> "].is_in_function
    swap_functions(str(file), FUNCTION, change.source)
    assert imported(1) == -6


def test_all_modules_and_their_tests_are_there() -> None:
    """A renamed file would be a module that nobody tests."""
    for module, tests in MODULES.items():
        assert all((PROJECT / name).is_file() for name in (module, *tests))


def test_listed_survivors_are_of_the_code_as_it_is() -> None:
    """A reason must not outlive the line that it is about."""
    for module, name in read_reasons():
        assert module in MODULES
        before = name.partition(": ")[2].partition(" -> ")[0]
        assert before in " ".join((PROJECT / module).read_text().split())
