"""Switch the cache off and on in all processes, or serve a share of the users from it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from usercache.backends.base import UnavailableError
from usercache.backends.choice import ALL, NONE
from usercache.management.switch import read_switch, set_switch
from usercache.runtime import await_verdict, get_store


class Command(BaseCommand):
    """Tell all processes how many of the users to serve from the cache."""

    help = (
        "Says how many of the users every process serves from the cache, within two seconds and "
        "without a restart. The others come from the database at each look-up."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take one word, and a number with `ramp`."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        actions.add_parser("on", help="serve all users from the cache")
        actions.add_parser("off", help="load each user from the database")
        ramp = actions.add_parser("ramp", help="serve a share of the users")
        ramp.add_argument("percent", type=int, metavar="PERCENT", help="from 0 to 100")
        actions.add_parser("status", help="show what was said last")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it into Redis, and say what it means.

        Raises:
            CommandError: there is no Redis, it can't be reached, or the number is no percentage.
        """
        percents = {"on": ALL, "off": NONE, "ramp": options.get("percent")}
        percent = percents.get(options["action"])
        if percent is not None and not NONE <= percent <= ALL:
            raise CommandError(f"{percent} is no percentage: give a number from 0 to 100.")
        redis = get_store().redis
        if redis is None:
            raise CommandError(
                "There is no Redis, by which the processes would be told. Set USERCACHE_ENABLED, "
                "and restart them."
            )
        await_verdict()
        try:
            if percent is not None:
                redis.ask(lambda backend: set_switch(backend, percent))
            said = redis.ask(read_switch)
        except UnavailableError as error:
            raise CommandError(f"Redis can't be asked: {error.__cause__}") from error
        self.stdout.write(_describe(ALL if said is None else said))


def _describe(percent: int) -> str:
    if percent == ALL:
        return "On: all users are served from the cache."
    if percent == NONE:
        return "Off: each look-up loads the user from the database. Writes invalidate all the same."
    return f"{percent} %: these users are served from the cache, the others from the database."
