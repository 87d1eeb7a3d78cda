"""Who a session is, with the user from the cache: as Django says, without its query."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib import auth
from django.contrib.auth import middleware
from django.contrib.auth.backends import AllowAllUsersModelBackend, BaseBackend, ModelBackend
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from tests.counting import CountCommands
from tests.processes import python
from tests.usercache.l1 import bring_l1
from tests.users import User
from usercache.auth.sessions import CachedAuthenticationMiddleware
from usercache.instances.columns import is_cached
from usercache.users import get_user_by_id

pytestmark = pytest.mark.django_db(transaction=True)

HERE: Final = "usercache.auth.sessions.CachedAuthenticationMiddleware"
DJANGO_S: Final = "django.contrib.auth.middleware.AuthenticationMiddleware"
BACKEND: Final = "accounts.backends.PasswordBackend"

PASSWORD: Final = "Conch-Salad-1973"
NEW: Final = "Guava-Duff-2042"

Kind = type[middleware.AuthenticationMiddleware]
Change = Callable[[Any], object]


@pytest.fixture(autouse=True)
def _settings(settings: Settings) -> None:
    settings.USERCACHE_PASSWORD_FINGERPRINT = True
    # So that a session makes no query of its own.
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"


def session_of(user: User, **changed: object) -> SessionBase:
    """Return the session of a log-in, with some of its values changed; None takes one out."""
    said: dict[str, object] = {
        auth.SESSION_KEY: str(user.pk),
        auth.BACKEND_SESSION_KEY: BACKEND,
        auth.HASH_SESSION_KEY: user.get_session_auth_hash(),
    }
    session: SessionBase = import_module(django_settings.SESSION_ENGINE).SessionStore()
    session.update({k: v for k, v in (said | changed).items() if v is not None})
    return session


def request_of(session: SessionBase, kind: Kind = CachedAuthenticationMiddleware) -> HttpRequest:
    request = HttpRequest()
    request.session = session
    kind(lambda _: HttpResponse()).process_request(request)
    return request


def user_of(session: SessionBase, kind: Kind = CachedAuthenticationMiddleware) -> Any:
    user = request_of(session, kind).user
    return user if user.is_authenticated else None


def auser_of(session: SessionBase, kind: Kind = CachedAuthenticationMiddleware) -> Any:
    user = async_to_sync(request_of(session, kind).auser)()
    return user if user.is_authenticated else None


@pytest.mark.parametrize("find", [user_of, auser_of])
def test_warm_request_makes_no_query(
    alice: User,
    find: Callable[[SessionBase], Any],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """The first request of a user makes one query, as Django's, and the others none."""
    session = session_of(alice)
    with django_assert_num_queries(1):
        assert find(session) == alice
    with django_assert_num_queries(0):
        user = find(session)
        assert user == alice
        assert user.first_name == "Alice"


@pytest.mark.redis
def test_warm_request_is_one_cache_operation(alice: User, count_commands: CountCommands) -> None:
    """A warm request asks Redis exactly once, however often the view asks for its user."""
    session = session_of(alice)
    user_of(session)
    with count_commands() as commands:
        request = request_of(session)
        assert request.user == request.user == alice
    assert commands == {"get": 1}


@pytest.mark.redis
def test_l1_request_asks_nobody(
    alice: User,
    settings: Settings,
    count_commands: CountCommands,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """A user in process memory costs neither a query nor a command."""
    settings.USERCACHE_L1_MAX_ENTRIES = 10
    session = session_of(alice)
    bring_l1(alice.pk, lambda: user_of(session))
    with count_commands() as commands, django_assert_num_queries(0):
        assert user_of(session) == alice
    assert set(commands) <= {"del"}  # the heartbeat's


def test_request_that_asks_for_no_user(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Costs nothing, and doesn't read the session."""
    session = session_of(alice)
    session.accessed = False
    with django_assert_num_queries(0):
        request_of(session)
    assert not session.accessed


CHANGES: Final[dict[str, Change]] = {
    "nothing": lambda user: user,
    "deactivated": lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
    "password changed": lambda user: User.objects.filter(pk=user.pk).update(password="!another"),
    "password saved": lambda user: [user.set_password("conch"), user.save()],
    "sessions ended": lambda user: User.objects.filter(pk=user.pk).update(token_version=2),
    "deleted": lambda user: User.objects.get(pk=user.pk).delete(),
}
SESSIONS: Final[dict[str, dict[str, object]]] = {
    "as made": {},
    "no user": {auth.SESSION_KEY: None},
    "no backend": {auth.BACKEND_SESSION_KEY: None},
    "no hash": {auth.HASH_SESSION_KEY: None},
    "empty hash": {auth.HASH_SESSION_KEY: ""},
    "hash of another kind": {auth.HASH_SESSION_KEY: 7},
    "forged hash": {auth.HASH_SESSION_KEY: "0" * 64},
    "hash of Django's own making": {auth.HASH_SESSION_KEY: "!unusable"},
    "user of no row": {auth.SESSION_KEY: str(2**40)},
    "backend that isn't listed": {
        auth.BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend"
    },
    "nothing at all": dict.fromkeys(
        (auth.SESSION_KEY, auth.BACKEND_SESSION_KEY, auth.HASH_SESSION_KEY)
    ),
}


@pytest.mark.parametrize("find", [user_of, pytest.param(auser_of, marks=pytest.mark.long)])
@pytest.mark.parametrize("warmth", ["cold", "warm", pytest.param("l1", marks=pytest.mark.redis)])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("changed", SESSIONS)
def test_same_answer_as_django_s(
    alice: User,
    settings: Settings,
    find: Callable[..., Any],
    *,
    changed: str,
    change: str,
    warmth: str,
) -> None:
    """At each change of the user and each session: the same user, the same session afterwards."""
    session, other = (session_of(alice, **SESSIONS[changed]) for _ in range(2))
    if warmth == "l1":
        settings.USERCACHE_L1_MAX_ENTRIES = 10
        bring_l1(alice.pk, lambda: get_user_by_id(alice.pk))
    elif warmth == "warm":
        user_of(session_of(alice))
    CHANGES[change](alice)
    for _ in range(2):
        assert find(session) == find(other, middleware.AuthenticationMiddleware)
        assert dict(session.items()) == dict(other.items())
        assert session.modified == other.modified


def test_another_user_s_hash(alice: User, bob: User) -> None:
    """A session that was made for Bob and names Alice is nobody's."""
    bobs = bob.get_session_auth_hash()
    User.objects.filter(pk=bob.pk).update(password="!another")
    bob.refresh_from_db()
    assert bob.get_session_auth_hash() != bobs == alice.get_session_auth_hash()
    user_of(session_of(alice))
    session = session_of(alice, **{auth.HASH_SESSION_KEY: bob.get_session_auth_hash()})
    assert user_of(session) is None
    assert dict(session.items()) == {}


def test_secret_key_that_is_replaced(
    alice: User, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """With a fallback a session gets the new key's hash, by one query; without, it is nobody's."""
    session, other = session_of(alice), session_of(alice)
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another" * 8
    settings.SECRET_KEY_FALLBACKS = [old]
    assert user_of(session) == alice
    assert session[auth.HASH_SESSION_KEY] == alice.get_session_auth_hash()
    with django_assert_num_queries(0):
        assert user_of(session) == alice
    settings.SECRET_KEY_FALLBACKS = []
    assert user_of(session) == alice
    assert user_of(other) is None
    assert dict(other.items()) == {}


def test_record_of_a_secret_key_that_is_no_longer_accepted(alice: User, settings: Settings) -> None:
    """A record that was filled under it revives no session that was signed with it."""
    session = session_of(alice)
    assert user_of(session) == alice
    settings.SECRET_KEY = "another" * 8
    assert user_of(session_of(alice)) == alice  # the record isn't dropped for it
    assert user_of(session) is None


OTHER_PROCESS: Final = """
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test.utils import CaptureQueriesContext
from usercache.auth.sessions import CachedAuthenticationMiddleware
from usercache.runtime import await_verdict, get_store
from django.contrib.sessions.backends.signed_cookies import SessionStore

settings.USERCACHE_PASSWORD_FINGERPRINT = True
await_verdict(30)
pk, backend, password = (input() for _ in range(3))
while True:
    session = SessionStore()
    said = {SESSION_KEY: pk, BACKEND_SESSION_KEY: backend, HASH_SESSION_KEY: password}
    session.update(said)
    request = HttpRequest()
    request.session = session
    CachedAuthenticationMiddleware(lambda _: HttpResponse()).process_request(request)
    with CaptureQueriesContext(connection) as queries:
        print(request.user.is_authenticated, len(queries), len(session.keys()), flush=True)
    input()
"""


@pytest.mark.redis
@pytest.mark.postgresql
@pytest.mark.parametrize("change", [name for name in CHANGES if name != "nothing"])
def test_refused_at_once_in_another_process(alice: User, change: str, settings: Settings) -> None:
    """A process that had the user in its memory refuses the session at its next request."""
    keys = {"SECRET_KEY": settings.SECRET_KEY, "USERCACHE_L1_MAX_ENTRIES": "10"}
    with python(OTHER_PROCESS, **keys) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(*lines: str) -> list[str]:
            process.stdin.write("".join(f"{line}\n" for line in lines))  # type: ignore[union-attr]  # as above
            process.stdin.flush()  # type: ignore[union-attr]  # as above
            return process.stdout.readline().split()  # type: ignore[union-attr]  # as above

        ask(str(alice.pk), BACKEND, alice.get_session_auth_hash())
        assert ask("") == ["True", "0", "3"]
        CHANGES[change](alice)
        assert ask("")[0] == "False"


class BackendOfItsOwn(ModelBackend):
    """Finds users otherwise."""

    def get_user(self, user_id: Any) -> User | None:
        return User.objects.filter(pk=user_id, occupation="").first()

    async def aget_user(self, user_id: Any) -> User | None:
        return await User.objects.filter(pk=user_id, occupation="").afirst()


class OpenBackend(BaseBackend):
    """Finds users by their key, active or not, as those of some libraries do."""

    def get_user(self, user_id: Any) -> User | None:
        return User.objects.filter(pk=user_id).first()


class ClosedBackend(OpenBackend):
    """Lets in no other than active ones, by itself."""

    def get_user(self, user_id: Any) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True).first()


class ParticularBackend(ModelBackend):
    """Lets in users by a column that isn't cached."""

    def user_can_authenticate(self, user: Any) -> bool:
        return user.last_login is None


def use(settings: Settings, backend: type[BaseBackend], *, is_declared: bool = False) -> str:
    path = f"{backend.__module__}.{backend.__qualname__}"
    settings.AUTHENTICATION_BACKENDS = [path]
    settings.USERCACHE_SESSION_BACKENDS = [path] if is_declared else []
    return path


@pytest.mark.parametrize("find", [user_of, auser_of])
@pytest.mark.parametrize("is_declared", [True, False])
def test_backend_with_a_get_user_of_its_own(
    alice: User,
    settings: Settings,
    find: Callable[..., Any],
    is_declared: bool,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """It is asked each time, unless the settings say that it finds users by their key alone."""
    path = use(settings, BackendOfItsOwn, is_declared=is_declared)
    session = session_of(alice, **{auth.BACKEND_SESSION_KEY: path})
    find(session)
    with django_assert_num_queries(0 if is_declared else 1):
        assert find(session) == alice
    User.objects.filter(pk=alice.pk).update(occupation="Chef")
    assert find(session) == (alice if is_declared else None)


@pytest.mark.parametrize("backend", [OpenBackend, ClosedBackend])
def test_declared_backend_without_a_rule_for_inactive_users(
    alice: User,
    settings: Settings,
    backend: type[BaseBackend],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """An active user costs no query; for an inactive one the backend decides."""
    path = use(settings, backend, is_declared=True)
    session = session_of(alice, **{auth.BACKEND_SESSION_KEY: path})
    user_of(session)
    with django_assert_num_queries(0):
        assert user_of(session) == alice
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert user_of(session) == (alice if backend is OpenBackend else None)


def test_django_s_backend_that_lets_inactive_users_in(
    alice: User, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """`user_can_authenticate()` decides, as in Django."""
    path = use(settings, AllowAllUsersModelBackend)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    session = session_of(alice, **{auth.BACKEND_SESSION_KEY: path})
    user_of(session)
    with django_assert_num_queries(0):
        assert user_of(session) == alice


@pytest.mark.parametrize("find", [user_of, auser_of])
def test_backend_that_asks_for_an_uncached_column(
    alice: User, settings: Settings, find: Callable[..., Any]
) -> None:
    """It may, for a query, on an event loop too."""
    path = use(settings, ParticularBackend)
    session = session_of(alice, **{auth.BACKEND_SESSION_KEY: path})
    for _ in range(2):
        assert find(session) == alice
    User.objects.filter(pk=alice.pk).update(last_login="2026-01-01T00:00:00Z")
    assert find(session) is None


@pytest.mark.parametrize("name", ["USERCACHE_ENABLED", "USERCACHE_PASSWORD_FINGERPRINT"])
def test_switched_off(
    alice: User,
    settings: Settings,
    name: str,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """Without the cache, or without fingerprints, it costs what Django's own does, and no more."""
    setattr(settings, name, False)
    session = session_of(alice)
    for _ in range(2):
        with django_assert_num_queries(1):
            user = user_of(session)
        assert user == alice
        assert not is_cached(user)


def test_no_session_middleware() -> None:
    """It is asked for as by Django."""
    with pytest.raises(ImproperlyConfigured, match="SessionMiddleware"):
        CachedAuthenticationMiddleware(lambda _: HttpResponse()).process_request(HttpRequest())


def test_usable_password_is_known_without_its_hash(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """`has_usable_password()` makes no query, and follows what was assigned."""
    session = session_of(alice)
    user_of(session)
    user = user_of(session)
    with django_assert_num_queries(0):
        assert not user.has_usable_password()
        user.password = "md5$salt$hash"
        assert user.has_usable_password()


@pytest.fixture
def client(settings: Settings) -> Client:
    """Give a browser of a site with the middleware, with sessions in cookies."""
    settings.MIDDLEWARE = [HERE if path == DJANGO_S else path for path in settings.MIDDLEWARE]
    return Client()


def test_admin_site_makes_no_query_of_its_user(
    client: Client, alice: User, settings: Settings, django_assert_num_queries: Any
) -> None:
    """A page of the admin site has its user, their permissions and links without one."""
    User.objects.filter(pk=alice.pk).update(is_admin=True, is_superuser=True, password="md5$a$b")
    alice.refresh_from_db()
    client.force_login(alice, BACKEND)
    client.get("/admin/")
    with django_assert_num_queries(1) as queries:  # the last actions
        page = client.get("/admin/")
    assert page.status_code == 200
    assert b"/admin/password_change/" in page.content
    assert "django_admin_log" in queries.captured_queries[0]["sql"]
    User.objects.filter(pk=alice.pk).update(is_admin=False)
    assert client.get("/admin/").status_code == 302


def test_own_password_is_changed_on_the_admin_site(
    client: Client, alice: User, settings: Settings
) -> None:
    """A view that saves `request.user` does; this session goes on, and the others end."""
    settings.USERCACHE_READ_ONLY_USERS = False
    alice.is_admin = alice.is_superuser = True
    alice.set_password(PASSWORD)
    alice.save()
    other = Client()
    for browser in (client, other):
        form = {"username": alice.email, "password": PASSWORD}
        assert browser.post("/admin/login/?next=/admin/", form).status_code == 302
        assert browser.get("/admin/").status_code == 200
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert client.post("/admin/password_change/", form).status_code == 302
    assert client.get("/admin/").status_code == 200
    assert other.get("/admin/").status_code == 302
    assert User.objects.get(pk=alice.pk).check_password(NEW)
    assert client.post("/admin/logout/").status_code == 200
    assert client.get("/admin/").status_code == 302
