"""A client that is generated from the served schema speaks with the server, in types."""

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.cast import PASSWORD
from tests.e2e.web_server import WebServer

pytestmark = pytest.mark.django_db(transaction=True)

PACKAGE = "hiremebahamas_client"
GENERATE_SECONDS = 180

ImportPart = Callable[[str], Any]


@pytest.fixture
def client(web_server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportPart:
    """Generate it, without a warning, and import parts of it: `client("models")`."""
    config = tmp_path / "config.yml"
    config.write_text("post_hooks: []")  # nobody reads the code
    output = tmp_path / PACKAGE
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"]
    options = ["--url", f"{web_server.url}/api/schema", "--meta", "none", "--config", str(config)]
    command += [*options, "--output-path", str(output)]
    subprocess.run(command, check=True, timeout=GENERATE_SECONDS)
    monkeypatch.syspath_prepend(tmp_path)
    return lambda name: import_module(f"{PACKAGE}.{name}")


@pytest.mark.usefixtures("alice")
def test_a_generated_client_works(client: ImportPart, web_server: WebServer) -> None:
    """Register, log in, read and change the profile, look somebody up, be refused: all typed."""
    models, connections, unset = client("models"), client("client"), client("types").UNSET
    sessions, account, directory = (f"api.{tag}" for tag in ("sessions", "account", "directory"))
    credentials = {"email": "zoe@example.com", "password": PASSWORD}
    names = {"first_name": "Zoe", "last_name": "Knowles", "username": "zoe"}

    with connections.Client(web_server.url) as anybody:
        form = models.RegistrationRequest(**credentials, **names)
        register = client(f"{sessions}.register").sync
        assert isinstance(register(client=anybody, body=form), models.Login)
        errors = register(client=anybody, body=form)
        assert isinstance(errors, models.FieldErrors)
        assert set(errors.additional_properties) == {"email", "username"}
        body = models.CredentialsRequest(**credentials)
        login = client(f"{sessions}.login").sync(client=anybody, body=body)
        assert isinstance(login, models.Login)

    with connections.AuthenticatedClient(web_server.url, login.access_token) as zoe:
        assert client(f"{account}.get_profile").sync(client=zoe) == login.user
        changes = models.ProfileChangesRequest(occupation="Diver", username=None)
        user = client(f"{account}.update_profile").sync(client=zoe, body=changes)
        assert (user.occupation, user.username, user.phone) == ("Diver", None, None)
        assert user.updated_at > login.user.updated_at
        [listed] = client(f"{directory}.list_users").sync(client=zoe, search="diver").results
        assert isinstance(listed, models.PublicProfile)
        look_up = client(f"{directory}.look_up_user").sync_detailed
        alice = look_up(client=zoe, username="alice").parsed
        assert isinstance(alice, models.Profile)
        assert (alice.first_name, alice.email) == ("Alice", unset)
        refused = look_up(client=zoe, email="alice@example.com")
        assert isinstance(refused.parsed, models.Error)
        assert (refused.status_code, refused.parsed.code) == (403, "permission_denied")
