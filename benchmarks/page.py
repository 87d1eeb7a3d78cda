"""A run's figures as a page of Markdown, and as the README's table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.errors import BenchmarkError
from benchmarks.outcome import Outcome
from benchmarks.spelling import spell_markdown, tabulate_panel, tabulate_verdicts

BEGIN: Final = "<!-- made by make bench: begin -->"
END: Final = "<!-- made by make bench: end -->"
INTRODUCTION: Final = """
Made by `{command}`. Everybody has a turn in each round; the figures are the rounds' medians, and in
brackets the first and third quartiles. {machine}
""".strip()


def spell_page(machine: Mapping[str, str], outcomes: Sequence[Outcome], command: str) -> str:
    """Return a page with all tables, and each part's plot by its name."""
    sections = [
        "# Benchmarks",
        INTRODUCTION.format(command=command, machine=_spell_machine(machine)),
        *([_spell_targets(outcomes)] if any(o.verdicts for o in outcomes) else []),
    ]
    for outcome in outcomes:
        sections += [
            f"## {outcome.title}",
            f"![{outcome.title}]({outcome.name}.svg)",
            *(spell_markdown(tabulate_panel(panel)) for panel in outcome.panels),
            outcome.remarks,
        ]
    return "\n\n".join(sections) + "\n"


def update_readme(readme: Path, machine: Mapping[str, str], outcomes: Sequence[Outcome]) -> None:
    """Put the targets' table between the README's two marks.

    Raises: BenchmarkError if they are not there.
    """
    text = readme.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BenchmarkError(f"{readme.name} has no place for the table: put {BEGIN} and {END}.")
    table = f"{_spell_targets(outcomes)}\n\n{_spell_machine(machine)}"
    readme.write_text(f"{before}{begin}\n{table}\n{end}{after}")


def _spell_targets(outcomes: Sequence[Outcome]) -> str:
    verdicts = [verdict for outcome in outcomes for verdict in outcome.verdicts]
    return spell_markdown(tabulate_verdicts(verdicts))


def _spell_machine(machine: Mapping[str, str]) -> str:
    named = dict(machine)
    date, cpu, cores = named.pop("date"), named.pop("CPU"), named.pop("cores")
    system, postgresql, redis = (named.pop(n) for n in ("kernel", "PostgreSQL", "Redis server"))
    versions = ", ".join(f"{name} {version}" for name, version in named.items())
    return f"{date}, {cores} cores of {cpu}, {system}, {postgresql}, {redis}, {versions}."
