"""A run's measurements as a page of Markdown."""

from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.formatting import format_markdown, tabulate_panel, tabulate_verdicts
from benchmarks.outcome import Outcome

INTRODUCTION: Final = """
Made by `{command}`. Each contender has a turn in each round; the numbers are the rounds' medians,
and in brackets the first and third quartiles. Ratios carry over to other machines, numbers don't.
{machine}

- *Redis alone*: `USERCACHE_L1_MAX_ENTRIES = 0`, so that every user comes from Redis, every time.
- *Token only*: simplejwt's `JWTStatelessUserAuthentication`. It loads no user, so a deactivated
  user stays in until their token expires.
""".strip()


def format_page(machine: Mapping[str, str], outcomes: Sequence[Outcome], command: str) -> str:
    """Return a page with all tables, and each part's plot by its name."""
    sections = [
        "# Benchmarks",
        INTRODUCTION.format(command=command, machine=_format_machine(machine)),
        *([_format_targets(outcomes)] if any(o.verdicts for o in outcomes) else []),
    ]
    for outcome in outcomes:
        sections += [
            f"## {outcome.title}",
            f"![{outcome.title}]({outcome.name}.svg)",
            *(format_markdown(tabulate_panel(panel)) for panel in outcome.panels),
            outcome.remarks,
        ]
    return "\n\n".join(sections) + "\n"


def format_part(machine: Mapping[str, str], outcome: Outcome, command: str) -> str:
    """Return one part's tables and remarks, as a section of another page."""
    return "\n\n".join(
        [
            f"Made by `{command}`, {_format_machine(machine)}",
            *(format_markdown(tabulate_panel(panel)) for panel in outcome.panels),
            *([_format_targets([outcome])] if outcome.verdicts else []),
            outcome.remarks,
        ]
    )


def _format_targets(outcomes: Sequence[Outcome]) -> str:
    verdicts = [verdict for outcome in outcomes for verdict in outcome.verdicts]
    return format_markdown(tabulate_verdicts(verdicts))


def _format_machine(machine: Mapping[str, str]) -> str:
    named = dict(machine)
    date, cpu, cores = named.pop("date"), named.pop("CPU"), named.pop("cores")
    system, postgresql, redis = (named.pop(n) for n in ("kernel", "PostgreSQL", "Redis server"))
    versions = ", ".join(f"{name} {version}" for name, version in named.items())
    return f"{date}, {cores} cores of {cpu}, {system}, {postgresql}, {redis}, {versions}."
