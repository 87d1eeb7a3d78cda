"""What the package asks for and what production runs on don't contradict each other."""

import tomllib
from itertools import chain

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.servers.stack import PROJECT

CORE = {"django", "msgspec"}


def _project() -> dict[str, object]:
    metadata: dict[str, object] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    return metadata


def _pins() -> dict[str, str]:
    pins = dict[str, str]()
    files = [PROJECT / "requirements-dev.txt", PROJECT / "requirements.txt"]
    for line in chain.from_iterable(file.read_text().splitlines() for file in files):
        if line.startswith("-r "):
            continue
        if text := line.partition("#")[0].strip():
            requirement = Requirement(text)
            [pin] = requirement.specifier
            pins[canonicalize_name(requirement.name)] = pin.version
    return pins


def test_core() -> None:
    """The core asks for Django and msgspec alone; everything else is an extra."""
    metadata = _project()
    assert isinstance(metadata["dependencies"], list)
    names = {canonicalize_name(Requirement(text).name) for text in metadata["dependencies"]}
    assert names == CORE


def test_ranges() -> None:
    """Each range of the package admits the version that production, or a test, runs on."""
    metadata, pins = _project(), _pins()
    extras = metadata["optional-dependencies"]
    assert isinstance(extras, dict)
    assert isinstance(metadata["dependencies"], list)
    texts = chain(metadata["dependencies"], *extras.values())
    for requirement in map(Requirement, texts):
        if requirement.name != metadata["name"]:
            name = canonicalize_name(requirement.name)
            assert requirement.specifier.contains(pins[name]), str(requirement)


def test_everything() -> None:
    """The extra `all` is all of the others but one, which brings eight packages for one command."""
    metadata = _project()
    extras = metadata["optional-dependencies"]
    assert isinstance(extras, dict)
    [everything] = map(Requirement, extras["all"])
    assert everything.name == metadata["name"]
    assert everything.extras == extras.keys() - {"all", "otlp"}
