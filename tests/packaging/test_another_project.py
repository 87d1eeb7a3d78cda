"""The documentation, followed in a project of its own, leads to a cache that works."""

import json
import re
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.packaging import every_write
from tests.packaging.another_project import OPERATOR, AnotherProject, DevelopmentServer, Operator
from tests.packaging.conftest import Environment
from tests.packaging.instructions import Instructions
from tests.packaging.projects import KINDS, Kind
from tests.servers.postgresql_server import PostgreSQLServer
from tests.servers.redis_server import RedisServer

pytestmark = pytest.mark.packaging


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Give each kind of project in turn."""
    return KINDS[request.param]


@pytest.fixture
def project(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    environment: Environment,
    instructions: Instructions,
    kind: Kind,
) -> AnotherProject:
    """Make the project, use it without the package if it has users, and add the package."""
    database = redis_url = ""
    if kind.on_servers:
        redis: RedisServer = request.getfixturevalue("redis")
        database = _make_database(request.getfixturevalue("postgresql"), tmp_path.name)
        redis_url = redis.url
    project = AnotherProject(tmp_path, environment, kind, database, redis_url)
    if kind.users:
        project.fill()
    project.add_package(instructions)
    return project


def test_steps(project: AnotherProject, instructions: Instructions, tmp_path: Path) -> None:
    """The steps leave a project without a complaint, in which every write is seen at once.

    By whatever means: the ORM's, raw SQL, the admin; in the process that wrote and in others.
    Taken out again, the package leaves a project that works as before.
    """
    kind = project.kind
    warnings = re.findall(r"\((usercache\.\w+)\)", project.manage("check --fail-level ERROR"))
    assert tuple(warnings) == kind.warnings
    assert "No changes detected" in project.manage("makemigrations --check --dry-run")

    _find_users_from_before(project)
    project.make_operator()
    with project.relay():
        bulk = "announced" if kind.models else "relayed"
        project.run_script(Path(every_write.__file__), kind.name_column, bulk)
        with (
            DevelopmentServer(tmp_path, project) as server,
            httpx.Client(base_url=server.url, follow_redirects=True) as client,
        ):
            _scrape(client, project)
            _change_in_admin(Operator(client, project), project)
    snapshot = project.manage("cache_stats --json").splitlines()[-1]
    assert json.loads(snapshot)["status"] == "healthy"
    _uninstall(project, instructions)


def _find_users_from_before(project: AnotherProject) -> None:
    project.run_script(
        "from django.contrib.auth import get_user_model\n"
        "from usercache.users import get_users_by_ids\n"
        f"rows = dict(get_user_model().objects.values_list('pk', '{project.kind.login}'))\n"
        f"assert len(rows) == {project.kind.users}\n"
        "for _ in range(2):\n"
        "    users = get_users_by_ids(rows)\n"
        f"    assert {{pk: user.{project.kind.login} for pk, user in users.items()}} == rows\n"
    )


def _scrape(client: httpx.Client, project: AnotherProject) -> None:
    watcher = {"Authorization": f"Bearer {project.metrics_token}"}
    health = client.get("/health/cache", headers=watcher)
    assert health.json()["status"] == "healthy", health.text
    assert "usercache_" in client.get("/metrics", headers=watcher).text


def _change_in_admin(operator: Operator, project: AnotherProject) -> None:
    operator.log_in()
    assert "ashboard" in operator.open("/admin/")
    assert "Hits" in operator.open("/admin/usercache_observability/dashboard/")
    token = operator.get_token()
    for _ in range(2):
        assert operator.who_am_i(token) == (httpx.codes.OK, "")
    column = project.kind.name_column
    if project.kind.on_servers:
        project.run_script(
            "from django.contrib.auth import get_user_model\n"
            f"user = get_user_model().objects.get({project.kind.login}='{OPERATOR}')\n"
            f"user.{column} = 'Elsewhere'\n"
            "user.save()\n"
        )
        assert operator.who_am_i(token) == (httpx.codes.OK, "Elsewhere")
    users = re.findall(rf"{project.users_page}[\w-]+/change/", operator.open(project.users_page))
    [page] = [page for page in set(users) if OPERATOR in operator.open(page)]
    operator.submit(page, **{column: "Olive"})
    assert operator.who_am_i(token) == (httpx.codes.OK, "Olive")
    operator.submit(page, without="is_active")
    assert operator.who_am_i(token)[0] == httpx.codes.UNAUTHORIZED


def _uninstall(project: AnotherProject, instructions: Instructions) -> None:
    project.remove_package(instructions)
    assert "No changes detected" in project.manage("makemigrations --check --dry-run")
    assert "usercache" not in project.manage("check")
    project.run_script(
        "from django.contrib.auth import get_user_model\n"
        "from django.db import connection\n"
        f"get_user_model().objects.get({project.kind.login}='{OPERATOR}').save()\n"
        "get_user_model().objects.all().delete()\n"
        "assert 'usercache' not in str(connection.introspection.table_names())\n"
    )


def _make_database(server: PostgreSQLServer, name: str) -> str:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        info = connection.info
        parameters = {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "HOST": info.host,
            "PORT": info.port,
            "USER": info.user,
            "PASSWORD": info.password,
        }
    return f"DATABASES = {{'default': {parameters}}}"
