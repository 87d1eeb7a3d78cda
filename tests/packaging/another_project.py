"""One other project: made by Django's own commands, then given the package by the book."""

import json
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx

from tests.packaging.conftest import Environment, run
from tests.packaging.instructions import Instructions, adopt_manager, choose_columns
from tests.packaging.projects import ADMIN, URLS, Kind
from tests.servers.server import HOST, Server

NAME = "shop"
SECRET_CHARACTERS = 48
STOP_SECONDS = 30
OPERATOR, PASSWORD = "olive", "conch-salad-at-noon"


class AnotherProject:
    """A project in a folder outside of this repository."""

    def __init__(
        self, directory: Path, environment: Environment, kind: Kind, database: str, redis_url: str
    ) -> None:
        """Make it, as it is before the package is added; `database` is what DATABASES says."""
        self.directory = directory / NAME
        self.directory.mkdir()
        self.kind = kind
        self.metrics_token = secrets.token_urlsafe(SECRET_CHARACTERS)
        self.variables = environment.variables(
            DJANGO_SETTINGS_MODULE=f"{NAME}.settings",
            REDIS_URL=redis_url,
            USERCACHE_SIGNING_KEY=secrets.token_urlsafe(SECRET_CHARACTERS),
            USERCACHE_METRICS_TOKEN=self.metrics_token,
        )
        self.run(f"django-admin startproject {NAME} .")
        self.append("settings.py", f"{database}\n{kind.simple_jwt}\n")
        self.append("urls.py", URLS.replace("NAME", kind.name_column))
        if kind.models:
            self.run("python manage.py startapp people")
            self.append(
                "settings.py", 'INSTALLED_APPS += ["people"]\nAUTH_USER_MODEL = "people.User"\n'
            )
            self._models.write_text(kind.models)
            admin = self._models.with_name("admin.py")
            admin.write_text(ADMIN.replace("NAME", kind.name_column))
            self.manage("makemigrations people")

    @property
    def login(self) -> str:
        """The column that people log in by."""
        return self.kind.login

    @property
    def users_page(self) -> str:
        """Where the admin site lists its users."""
        return f"/admin/{'people' if self.kind.models else 'auth'}/user/"

    @property
    def _models(self) -> Path:
        return self.directory / "people" / "models.py"

    def _pasted_into(self) -> list[Path]:
        own = [self._models] if self.kind.models else []
        return [*(self.directory / NAME / name for name in ("settings.py", "urls.py")), *own]

    def fill(self) -> None:
        """Use it for a while without the package."""
        self.manage("migrate")
        self.run_script(
            "from django.contrib.auth import get_user_model as g\n"
            f"g().objects.bulk_create(g()(username=f'u{{n}}') for n in range({self.kind.users}))"
        )

    def add_package(self, instructions: Instructions) -> None:
        """Follow the documentation, step by step."""
        self._before = {path: path.read_text() for path in self._pasted_into()}
        pasted = dict(instructions.files)
        settings, manager = pasted.pop("settings.py"), pasted.pop("models.py")
        if self.kind.columns:
            settings = choose_columns(settings, self.kind.columns)
        self.append("settings.py", settings)
        if self.kind.models:
            self._models.write_text(adopt_manager(manager, self._models.read_text()))
        for name, text in pasted.items():
            self.append(name, text)
        for command in instructions.commands:
            self.manage(command)

    def remove_package(self, instructions: Instructions) -> None:
        """Go back to the code from before, and follow the documentation until nothing is left."""
        for command in instructions.uninstalling:
            self.manage(command)
        for path, text in self._before.items():
            path.write_text(text)
        self.manage("makemigrations")
        self.manage("migrate")

    def append(self, name: str, text: str) -> None:
        """Paste at the end of a file of the project's."""
        with (self.directory / NAME / name).open("a") as file:
            file.write(text)

    def run(self, command: str) -> str:
        """Run a shell command in the project's folder."""
        return run(command, self.directory, self.variables)

    def manage(self, command: str) -> str:
        """Run one of manage.py's commands."""
        return self.run(f"python manage.py {command}")

    def run_script(self, program: str | Path, *arguments: str) -> str:
        """Run a program with Django set up."""
        path = self.directory / "script.py"
        if isinstance(program, Path):
            shutil.copy(program, path)
        else:
            path.write_text(f"import django\ndjango.setup()\n{program}")
        return self.run(" ".join(["python", path.name, *arguments]))

    def make_operator(self) -> None:
        """Make a superuser as Django's documentation says."""
        self.variables["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
        self.variables["DJANGO_SUPERUSER_EMAIL"] = f"{OPERATOR}@example.com"
        self.manage(f"createsuperuser --noinput --{self.login} {OPERATOR}")

    @contextmanager
    def relay(self) -> Iterator[None]:
        """Run the relay beside what the block does."""
        process = subprocess.Popen(
            [Path(self.variables["VIRTUAL_ENV"]) / "bin" / "python", "manage.py", "cache_relay"],
            cwd=self.directory,
            env=self.variables,
        )
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(STOP_SECONDS) == 0


class DevelopmentServer(Server):
    """The project's `manage.py runserver`."""

    def __init__(self, directory: Path, project: AnotherProject) -> None:
        """Keep its log in `directory`."""
        super().__init__(directory)
        self._project = project

    @property
    def url(self) -> str:
        """The URL of its root."""
        return f"http://{HOST}:{self.port}"

    def _command(self) -> Sequence[str | Path]:
        python = Path(self._project.variables["VIRTUAL_ENV"]) / "bin" / "python"
        manage = self._project.directory / "manage.py"
        return (python, manage, "runserver", f"{HOST}:{self.port}", "--noreload")

    def _environment(self) -> Mapping[str, str]:
        return self._project.variables

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/admin/login/").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


class Form(HTMLParser):
    """What a page's inputs hold before anybody types."""

    def __init__(self, page: str) -> None:
        """Read the page."""
        super().__init__()
        self.values: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what a browser would send."""
        given = dict(attrs)
        kind, name = given.get("type"), given.get("name")
        if tag != "input" or not name or kind == "submit":
            return
        if kind != "checkbox":
            self.values[name] = given.get("value") or ""
        elif "checked" in given:
            self.values[name] = given.get("value") or "on"


class Operator:
    """A superuser at the admin site, and at the project's own API."""

    def __init__(self, client: httpx.Client, project: AnotherProject) -> None:
        """Take a client whose base is the server's root."""
        self._client = client
        self._project = project

    def log_in(self) -> None:
        """Open a session at the admin site."""
        page = self.submit("/admin/login/?next=/admin/", username=OPERATOR, password=PASSWORD)
        assert "/admin/logout/" in page

    def open(self, path: str) -> str:
        """Open a page that must be there."""
        answer = self._client.get(path)
        assert answer.status_code == httpx.codes.OK, f"{path}: {answer.status_code} {answer.text}"
        return answer.text

    def submit(self, path: str, *, without: str = "", **fields: str) -> str:
        """Fill in the form of a page, a box left unticked, and send it."""
        values = Form(self.open(path)).values | fields
        values.pop(without, None)
        answer = self._client.post(path, data=values, headers={"Referer": self._project_url})
        assert answer.status_code == httpx.codes.OK, answer.text
        assert "errorlist" not in answer.text, answer.text
        return answer.text

    @property
    def _project_url(self) -> str:
        return str(self._client.base_url)

    def get_token(self) -> str:
        """Log in at the API."""
        login = {self._project.login: OPERATOR, "password": PASSWORD}
        answer = self._client.post("/token", json=login)
        assert answer.status_code == httpx.codes.OK, answer.text
        return str(answer.json()["access"])

    def who_am_i(self, token: str) -> tuple[int, Any]:
        """Ask the API."""
        answer = self._client.get("/me", headers={"Authorization": f"Bearer {token}"})
        return answer.status_code, json.loads(answer.text).get("name")
