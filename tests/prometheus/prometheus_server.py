"""A Prometheus of our own, on loopback, that scrapes one server and has our rules."""

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import yaml

from tests.servers.errors import ServerUnavailableError
from tests.servers.server import HOST, Server
from tests.servers.stack import PROJECT

MONITORING: Final = PROJECT / "docs" / "monitoring"
ANSWER_SECONDS: Final = 10
SCRAPE_SECONDS: Final = 0.2


def find_program(name: str) -> str:
    """Return where prometheus or promtool is.

    Raises: ServerUnavailableError where it isn't installed.
    """
    program = shutil.which(name)
    if program is None:
        raise ServerUnavailableError(f"No {name} to test with: apt-get install prometheus.")
    return program


def run_promtool(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool beside our rules, and return what it said."""
    return subprocess.run(
        [find_program("promtool"), *arguments],
        cwd=MONITORING,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=ANSWER_SECONDS,
    )


class PrometheusServer(Server):
    """Prometheus with the configuration that we publish, but for the address and the pace."""

    def __init__(self, directory: Path, target: str, token: str) -> None:
        """Scrape the server at this URL, with this token."""
        super().__init__(directory)
        config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
        [job] = config["scrape_configs"]
        address = urlsplit(target)
        job |= {"scheme": address.scheme, "static_configs": [{"targets": [address.netloc]}]}
        job["authorization"] = {"credentials": token}
        every = f"{SCRAPE_SECONDS * 1000:.0f}ms"
        config["global"] = {"scrape_interval": every, "evaluation_interval": every}
        config["rule_files"] = [str(MONITORING / "alerts.yml")]
        self._config = directory / "prometheus.yml"
        self._config.write_text(yaml.safe_dump(config))

    @property
    def url(self) -> str:
        """The URL of its pages and its API."""
        return f"http://{HOST}:{self.port}"

    def ask(self, path: str, **parameters: str) -> Any:
        """Return what its API answers: `ask("query", query="up")`."""
        url = f"{self.url}/api/v1/{path}?{urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:
            return json.load(answer)["data"]

    def evaluate(self, expression: str) -> list[float]:
        """Return the values of an expression now."""
        found = self.ask("query", query=expression)["result"]
        return [float(sample["value"][1]) for sample in found]

    def _command(self) -> Sequence[str | Path]:
        return (
            find_program("prometheus"),
            f"--config.file={self._config}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address={HOST}:{self.port}",
        )

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1):
                return True
        except OSError:
            return False
