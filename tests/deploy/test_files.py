"""Each file of deploy/ passes the linter of its kind, and calls what there is."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from compose_spec import PyCompose
from django.core.management import get_commands
from kubernetes_validate.utils import validate

from hiremebahamas.environment import SECRETS
from tests.processes import environment
from tests.servers.stack import PROJECT

DEPLOY: Final = PROJECT / "deploy"
DOCKERFILES: Final = sorted(DEPLOY.rglob("Dockerfile"))
MANIFESTS: Final = sorted(DEPLOY.glob("kubernetes/*.yaml"))
UNITS: Final = sorted(DEPLOY.glob("systemd/*.service"))
COMPOSE: Final = DEPLOY / "compose.yaml"
KUBERNETES_VERSION: Final = "1.33"
LINT_SECONDS: Final = 120
RUN_SECONDS: Final = 180
VARIABLE: Final = re.compile(r"\$(?:\$|\{(?P<name>[A-Z_]+)(?::-(?P<default>[^}]*)|:\?)\})")
INTERPRETER: Final = "/srv/hiremebahamas/.venv/bin/python"
NEEDED: Final = {*SECRETS, "DATABASE_URL", "REDIS_URL"}


def name_of(path: Path) -> str:
    return str(path.relative_to(DEPLOY))


def read_compose() -> dict[str, Any]:
    """Return it with values in the place of variables, as `docker compose config` does."""

    def fill_in(match: re.Match[str]) -> str:
        if match["name"] is None:
            return "$"
        return "/value" if match["default"] is None else str(match["default"])

    text = VARIABLE.sub(fill_in, COMPOSE.read_text())
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def read_manifests() -> list[dict[str, Any]]:
    return [manifest for path in MANIFESTS for manifest in yaml.safe_load_all(path.read_text())]


def find_containers(manifest: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(manifest, dict):
        yield from manifest.get("containers", ())
        for value in manifest.values():
            yield from find_containers(value)


def find_commands() -> Iterator[list[str]]:
    """Yield what the files start of ours, as words after the interpreter."""
    for path in DOCKERFILES:
        for words in re.findall(
            r'^(?:CMD|    CMD) \["python", (.*)\]$', path.read_text(), re.MULTILINE
        ):
            yield re.findall(r'"([^"]+)"', words)
    for service in read_compose()["services"].values():
        if service.get("command", [""])[0] == "python":
            yield service["command"][1:]
    for container in (c for manifest in read_manifests() for c in find_containers(manifest)):
        probes = (container.get(f"{name}Probe", {}) for name in ("startup", "readiness"))
        for command in (
            container.get("command"),
            *(p.get("exec", {}).get("command") for p in probes),
        ):
            if command:
                yield command[1:]
    for path in UNITS:
        for line in re.findall(rf"^Exec\w+={INTERPRETER} (.*)$", path.read_text(), re.MULTILINE):
            yield line.split()


@pytest.mark.parametrize("path", DOCKERFILES, ids=name_of)
def test_dockerfile_passes_hadolint(path: Path) -> None:
    """With every rule that it has."""
    hadolint = Path(sys.executable).with_name("hadolint")
    answer = subprocess.run(
        [hadolint, "--failure-threshold", "style", path],
        check=False,
        capture_output=True,
        text=True,
        timeout=LINT_SECONDS,
    )
    assert answer.returncode == 0, answer.stdout


def test_image_is_made_in_stages_and_runs_as_nobody() -> None:
    """What builds it isn't in it, and it has a user of its own and a health check."""
    text = (DEPLOY / "Dockerfile").read_text()
    last = text[text.rindex("\nFROM ") :]
    assert text.count("\nFROM ") == 2
    assert "pip install" not in last
    assert re.search(r"^USER [1-9][0-9]*:[1-9][0-9]*$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last


def test_image_copies_all_that_the_server_needs(tmp_path: Path) -> None:
    """With nothing but what is copied, a database can be made and the checks pass."""
    sources = re.findall(r"^COPY ([a-z.]+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    for source in sources:
        path = PROJECT / source
        if path.is_dir():
            shutil.copytree(path, tmp_path / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, tmp_path)
    variables = environment(
        DEBUG="True",
        ENV_FILE="",
        ALLOWED_HOSTS="localhost",
        DATABASE_URL=f"sqlite:///{tmp_path / 'db.sqlite3'}",
        DATABASE_DIRECT_URL="",
        REDIS_URL="",
        PYTHONPATH="",
        STATIC_ROOT=str(tmp_path / "static"),
    )
    for arguments in (["manage.py", "migrate", "--verbosity=0"], ["manage.py", "check"]):
        subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=variables,
            check=True,
            timeout=RUN_SECONDS,
        )


def test_compose_file_is_one() -> None:
    """By the Compose Specification; a misspelt key isn't."""
    document = read_compose()
    services = PyCompose.from_yaml(yaml.safe_dump(document)).service_names()
    assert {"nginx", "web", "relay", "postgresql", "postgresql-replica", "pgbouncer"} < set(
        services
    )
    assert len([name for name in services if re.fullmatch("valkey-[1-6]", name)]) == 6
    document["services"]["web"]["imagee"] = "misspelt"
    with pytest.raises(ValueError, match="imagee"):
        PyCompose.from_yaml(yaml.safe_dump(document))


def test_compose_file_has_the_topology_of_the_fleet() -> None:
    """Four instances, two relays; nothing but nginx is reached from outside."""
    services = read_compose()["services"]
    assert services["web"]["deploy"]["replicas"] == 4
    assert services["relay"]["deploy"]["replicas"] == 2
    assert [name for name, service in services.items() if "ports" in service] == ["nginx"]


@pytest.mark.parametrize("path", MANIFESTS, ids=name_of)
def test_manifest_is_valid(path: Path) -> None:
    """By the schema of Kubernetes, without unknown fields."""
    for manifest in yaml.safe_load_all(path.read_text()):
        validate(manifest, KUBERNETES_VERSION, strict=True)


def test_no_container_may_become_root() -> None:
    """Nor write into its image, nor has it capabilities."""
    containers = [c for manifest in read_manifests() for c in find_containers(manifest)]
    assert containers
    for container in containers:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_every_command_exists() -> None:
    """Each is a module of ours, or a command of manage.py."""
    commands = list(find_commands())
    assert len(commands) >= 10
    for kind, name, *_ in commands:
        if kind == "-m":
            assert (PROJECT / name.replace(".", "/")).with_suffix(".py").exists() or (
                PROJECT / name.replace(".", "/") / "__main__.py"
            ).exists(), name
        else:
            assert kind == "manage.py"
            assert name in get_commands()


def test_what_runs_once_a_day_is_scheduled() -> None:
    """On Kubernetes, each command that the page on operations says so of."""
    page = (PROJECT / "docs/operations.md").read_text()
    daily = re.findall(r"^\| `(\w+)` \|.*run it once a day", page, re.MULTILINE)
    jobs = [manifest for manifest in read_manifests() if manifest["kind"] == "CronJob"]
    assert daily
    assert [c["command"][2] for job in jobs for c in find_containers(job)] == daily


def test_every_variable_exists() -> None:
    """What the files set for the product is in `.env.example`."""
    known = set(
        re.findall(r"^(?:# )?([A-Z0-9_]+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE)
    )
    [settings] = [m for m in read_manifests() if m["kind"] == "ConfigMap"]
    named = set(read_compose()["services"]["web"]["environment"]) | set(settings["data"])
    assert named - known == set()
    assert set(read_compose()["services"]["web"]["environment"]) >= NEEDED


@pytest.mark.systemd
@pytest.mark.parametrize("path", UNITS, ids=name_of)
def test_unit_passes_systemd_analyze(path: Path, tmp_path: Path) -> None:
    """With a Python that exists on this machine."""
    unit = tmp_path / path.name
    unit.write_text(path.read_text().replace(INTERPRETER, sys.executable))
    answer = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit],
        check=False,
        capture_output=True,
        text=True,
        timeout=LINT_SECONDS,
    )
    assert (answer.returncode, answer.stderr) == (0, "")
