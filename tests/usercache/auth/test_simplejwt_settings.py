"""Each of simplejwt's settings means to the cached class what it means to simplejwt's own."""

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import router
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.test import APIRequestFactory
from rest_framework_simplejwt import authentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, SlidingToken, Token, UntypedToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from accounts.models import UserManager
from tests.users import User
from usercache.auth.jwt import CachedJWTAuthentication
from usercache.auth.verified_tokens import get_verified_tokens
from usercache.users import get_user_by_id, get_users_by_ids

pytestmark = pytest.mark.django_db(transaction=True)


class SimpleJWT:
    """Sets one of simplejwt's settings for a test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __setattr__(self, name: str, value: object) -> None:
        if name.isupper():
            self._monkeypatch.setattr(api_settings, name, value)
        else:
            super().__setattr__(name, value)


@pytest.fixture
def simple_jwt(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleJWT]:
    yield SimpleJWT(monkeypatch)
    get_verified_tokens.cache_clear()


def mint(user: User, **claims: object) -> str:
    """Return a token as simplejwt would, with our version."""
    token = AccessToken.for_user(user)
    token["token_version"] = user.token_version
    token.payload.update(claims)
    return str(token)


def find(
    token: str, used: type[CachedJWTAuthentication] = CachedJWTAuthentication, /, **headers: str
) -> Any:
    """Return the user that the token lets in, None where it isn't looked at."""
    headers = headers or {"Authorization": f"Bearer {token}"}
    answer = used().authenticate(APIRequestFactory().get("/", headers=headers))
    return answer and answer[0]


def refusal_of(
    token: str, used: type[CachedJWTAuthentication] = CachedJWTAuthentication, /, **headers: str
) -> object:
    """Return the code of the 401."""
    with pytest.raises(AuthenticationFailed) as raised:
        find(token, used, **headers)
    assert isinstance(raised.value.detail, dict)
    return raised.value.detail["code"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEARER"])
@pytest.mark.parametrize("space", [" ", "  ", "\t"])
def test_scheme_in_any_case(alice: User, scheme: str, space: str) -> None:
    """AUTH_HEADER_TYPES: RFC 9110 tells upper from lower case in no scheme."""
    token = mint(alice)
    assert find(token, Authorization=f"{scheme}{space}{token}") == alice


@pytest.mark.parametrize("header", ["", " ", "Token {}", "bearers {}", "{}", "Basic bearer {}"])
def test_other_schemes_are_others_business(alice: User, header: str) -> None:
    """AUTH_HEADER_TYPES: what isn't a bearer token is left to other classes."""
    token = mint(alice)
    assert find(token, Authorization=header.format(token)) is None


@pytest.mark.parametrize("header", ["Bearer", "bearer", "bearer {} {}", "Bearer {} {}"])
def test_malformed_header(alice: User, header: str) -> None:
    """AUTH_HEADER_TYPES: a bearer header without one token is a 401 in any case."""
    token = mint(alice)
    assert refusal_of(token, Authorization=header.format(token, token)) == (
        "bad_authorization_header"
    )


def test_auth_header_name(alice: User, simple_jwt: SimpleJWT) -> None:
    """AUTH_HEADER_NAME: the token is read from there alone."""
    simple_jwt.AUTH_HEADER_NAME = "HTTP_X_ACCESS"
    token = mint(alice)
    assert find(token) is None
    assert find(token, **{"X-Access": f"bearer {token}"}) == alice


def test_user_id_claim(alice: User, simple_jwt: SimpleJWT) -> None:
    """USER_ID_CLAIM: the id is read from there alone."""
    token = mint(alice)
    simple_jwt.USER_ID_CLAIM = "sub"
    assert refusal_of(token) == "token_not_valid"
    assert find(mint(alice)) == alice


@pytest.mark.parametrize("field", ["id", "pk", "email", "username", "phone"])
def test_user_id_field(
    alice: User,
    bob: User,
    simple_jwt: SimpleJWT,
    django_assert_num_queries: DjangoAssertNumQueries,
    field: str,
) -> None:
    """USER_ID_FIELD: the key or a unique identifier, warm without a query."""
    simple_jwt.USER_ID_FIELD = field
    token = mint(alice)
    assert find(token) == alice
    with django_assert_num_queries(0):
        assert find(token) == alice
    assert refusal_of(mint(alice, user_id="nobody@example.com")) == "user_not_found"


def test_user_id_field_is_never_taken_for_the_key(
    alice: User, bob: User, simple_jwt: SimpleJWT
) -> None:
    """USER_ID_FIELD: the username that is somebody's key doesn't become that somebody."""
    User.objects.filter(pk=alice.pk).update(username=f"000{bob.pk}")
    alice.refresh_from_db()
    simple_jwt.USER_ID_FIELD = "username"
    assert find(mint(alice)) == alice
    assert refusal_of(mint(alice, user_id=str(bob.pk))) == "user_not_found"


@pytest.mark.parametrize("field", ["occupation", "password", "shoe_size"])
def test_user_id_field_that_is_not_supported(
    alice: User, simple_jwt: SimpleJWT, field: str
) -> None:
    """USER_ID_FIELD: another column is an error that says so, and lets nobody in."""
    token = mint(alice)
    simple_jwt.USER_ID_FIELD = field
    with pytest.raises(ImproperlyConfigured, match=f"'{field}'.*USERCACHE_FIELDS"):
        find(token)


@pytest.mark.parametrize("is_checked", [True, False])
def test_check_user_is_active(alice: User, simple_jwt: SimpleJWT, is_checked: bool) -> None:
    """CHECK_USER_IS_ACTIVE: off, inactive users come in."""
    simple_jwt.CHECK_USER_IS_ACTIVE = is_checked
    token = mint(alice)
    assert find(token) == alice
    User.objects.filter(pk=alice.pk).update(is_active=False)
    if is_checked:
        assert refusal_of(token) == "user_inactive"
    else:
        assert find(token) == alice


def test_user_authentication_rule(
    alice: User, bob: User, simple_jwt: SimpleJWT, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """USER_AUTHENTICATION_RULE: asked each time, with the user as the cache has him."""
    simple_jwt.USER_AUTHENTICATION_RULE = lambda user: user.first_name == "Alice"
    token = mint(alice)
    assert find(token) == alice
    with django_assert_num_queries(0):
        assert find(token) == alice
    assert refusal_of(mint(bob)) == "no_active_account"
    User.objects.filter(pk=alice.pk).update(first_name="Alicia")
    assert refusal_of(token) == "no_active_account"


def test_rule_that_needs_an_uncached_column(
    alice: User, simple_jwt: SimpleJWT, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """USER_AUTHENTICATION_RULE: it may ask for any column, for a query."""
    simple_jwt.USER_AUTHENTICATION_RULE = lambda user: user.last_login is None
    token = mint(alice)
    assert find(token) == alice
    with django_assert_num_queries(1):
        assert find(token) == alice


def test_check_revoke_token(
    alice: User, simple_jwt: SimpleJWT, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """CHECK_REVOKE_TOKEN, REVOKE_TOKEN_CLAIM: a token made before the present password is dead."""
    simple_jwt.REVOKE_TOKEN_CLAIM = "fingerprint"
    plain = mint(alice)
    simple_jwt.CHECK_REVOKE_TOKEN = True
    token = mint(alice)
    assert find(token) == alice
    assert refusal_of(plain) == "password_changed"
    with django_assert_num_queries(1):
        assert find(token) == alice
    User.objects.filter(pk=alice.pk).update(password="!another")
    assert refusal_of(token) == "password_changed"
    good = get_md5_hash_password("!another")
    assert find(mint(alice, fingerprint=good)) == alice


@pytest.fixture
def _fingerprints(settings: Settings) -> None:
    settings.USERCACHE_PASSWORD_FINGERPRINT = True


@pytest.mark.usefixtures("_fingerprints")
def test_check_revoke_token_without_a_query(
    alice: User,
    bob: User,
    simple_jwt: SimpleJWT,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """CHECK_REVOKE_TOKEN: a record's fingerprint does for the hash, until the hash changes."""
    simple_jwt.CHECK_REVOKE_TOKEN = True
    token = mint(alice)
    assert find(token) == alice
    with django_assert_num_queries(0):
        assert find(token) == alice
    User.objects.filter(pk=alice.pk).update(password="!another")
    assert refusal_of(token) == "password_changed"
    alice.refresh_from_db()
    token = mint(alice)
    assert find(token) == alice
    alice.password = "!a third"
    alice.save(update_fields=["password"])
    assert refusal_of(token) == "password_changed"
    claim = api_settings.REVOKE_TOKEN_CLAIM
    for bad in (None, "", 7, get_md5_hash_password(bob.password + "x")):
        assert refusal_of(mint(alice, **{claim: bad})) == "password_changed"


@pytest.mark.usefixtures("_fingerprints")
def test_fingerprint_that_is_too_old_refuses_nobody(alice: User, simple_jwt: SimpleJWT) -> None:
    """CHECK_REVOKE_TOKEN: before a token is refused, the row is asked, which nobody announced."""
    simple_jwt.CHECK_REVOKE_TOKEN = True
    assert find(mint(alice)) == alice
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("usercache.orm.signals.touches_cache", lambda _: False)
        alice.password = "!another"
        alice.save()
    assert find(mint(alice)) == alice


def test_user_deleted_while_the_password_is_asked_for(
    alice: User, simple_jwt: SimpleJWT, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CHECK_REVOKE_TOKEN: the 401 of who isn't there, not an error."""
    simple_jwt.CHECK_REVOKE_TOKEN = True
    token = mint(alice)

    def delete(user: User) -> bool:
        User.objects.filter(pk=user.pk).delete()
        return True

    simple_jwt.USER_AUTHENTICATION_RULE = delete
    assert refusal_of(token) == "user_not_found"


def test_auth_token_classes(alice: User, simple_jwt: SimpleJWT) -> None:
    """AUTH_TOKEN_CLASSES: what was remembered as one class isn't believed under another list."""

    class Other(AccessToken):
        token_type = "other"

    token = mint(alice)
    simple_jwt.AUTH_TOKEN_CLASSES = (AccessToken,)
    assert find(token) == alice
    simple_jwt.AUTH_TOKEN_CLASSES = (Other,)
    assert refusal_of(token) == "token_not_valid"
    simple_jwt.AUTH_TOKEN_CLASSES = (Other, UntypedToken)
    assert find(token) == alice


@pytest.mark.parametrize("claim", ["JTI_CLAIM", "TOKEN_TYPE_CLAIM"])
def test_claims_that_every_token_has(alice: User, simple_jwt: SimpleJWT, claim: str) -> None:
    """JTI_CLAIM, TOKEN_TYPE_CLAIM: nor is what lacks a claim that is asked for now."""
    token = mint(alice)
    assert find(token) == alice
    setattr(simple_jwt, claim, "other")
    assert refusal_of(token) == "token_not_valid"


class ListedToken(SlidingToken):
    """A sliding token that may be on a list, as with simplejwt's blacklist."""

    listed: ClassVar[set[str]] = set()

    def verify(self, *args: Any, **kwargs: Any) -> None:
        super().verify(*args, **kwargs)
        if self.payload["jti"] in self.listed:
            raise TokenError("Token is blacklisted")


@pytest.mark.parametrize("kind", [SlidingToken, ListedToken])
def test_sliding_tokens(alice: User, simple_jwt: SimpleJWT, kind: type[SlidingToken]) -> None:
    """AUTH_TOKEN_CLASSES: sliding tokens are let in; one of a listed kind until it is listed."""
    simple_jwt.AUTH_TOKEN_CLASSES = (kind,)
    token = kind.for_user(alice)
    token["token_version"] = alice.token_version
    assert find(str(token)) == find(str(token)) == alice
    ListedToken.listed.add(token["jti"])
    if kind is ListedToken:
        assert refusal_of(str(token)) == "token_not_valid"
    else:
        assert find(str(token)) == alice


@pytest.mark.parametrize(("types", "scheme"), [((b"JWT",), "jwt"), ((b"JWT", b"Bearer"), "BEARER")])
def test_auth_header_types(
    alice: User, monkeypatch: pytest.MonkeyPatch, types: tuple[bytes, ...], scheme: str
) -> None:
    """AUTH_HEADER_TYPES: any of them, and no other."""
    monkeypatch.setattr(authentication, "AUTH_HEADER_TYPE_BYTES", set(types))
    token = mint(alice)
    assert find(token, Authorization=f"{scheme} {token}") == alice
    assert find(token, Authorization=f"Token {token}") is None


class Visible(UserManager):
    """Hides some users."""

    def get_queryset(self) -> Any:
        return super().get_queryset().exclude(location="hidden")


@pytest.fixture
def visible(monkeypatch: pytest.MonkeyPatch) -> Visible:
    """Make it the default manager."""
    manager = Visible()
    manager.model, manager.name = User, "visible"
    monkeypatch.setattr(User._meta, "default_manager", manager)
    return manager


def test_user_who_is_hidden_by_the_default_manager(
    alice: User, visible: Visible, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Is let in by no look-up, and from his hiding on, where the column is watched."""
    token = mint(alice)
    assert find(token) == alice
    User.objects.filter(pk=alice.pk).update(location="hidden")
    assert refusal_of(token) == "user_not_found"
    assert get_user_by_id(alice.pk) is None
    assert get_users_by_ids([alice.pk]) == {}
    with django_assert_num_queries(0):
        assert refusal_of(token) == "user_not_found"
    User._base_manager.filter(pk=alice.pk).update(location="")
    User.objects.filter(pk=alice.pk).update(location="Nassau")
    assert find(token) == alice


class Somebody(User):
    """The user model of a subclass of the authentication."""

    class Meta:
        proxy = True
        app_label = User._meta.app_label


class ForSomebody(CachedJWTAuthentication):
    """simplejwt's hook for another model."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user_model = Somebody


def test_user_model_of_a_subclass(alice: User) -> None:
    """`user_model`: another model is asked as simplejwt does; versions hold all the same."""
    assert type(find(mint(alice), ForSomebody)) is Somebody
    assert refusal_of(mint(alice, token_version=0), ForSomebody) == "token_revoked"
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert refusal_of(mint(alice), ForSomebody) == "user_inactive"


class OnlyBob(CachedJWTAuthentication):
    """A project's own rule after ours."""

    def get_user(self, validated_token: Token) -> User:  # type: ignore[override]  # as in ours
        user = super().get_user(validated_token)
        if user.username != "bob":
            raise AuthenticationFailed({"code": "not_bob"})
        return user


def test_get_user_of_a_subclass(alice: User, bob: User) -> None:
    """`get_user()`: overriding it works as ever."""
    assert find(mint(bob), OnlyBob) == bob
    assert refusal_of(mint(alice), OnlyBob) == "not_bob"


class RouterOfTenants:
    """A router that answers by who is served at the moment."""

    alias = "default"

    def db_for_write(self, *_args: object, **_hints: object) -> str:
        return self.alias


def test_router_that_answers_differently(
    alice: User, monkeypatch: pytest.MonkeyPatch, bob: User
) -> None:
    """Users of another database are an error, be they in the cache under that key or not."""
    tenants = RouterOfTenants()
    monkeypatch.setitem(vars(router), "routers", [tenants])
    token, nobody = mint(alice), mint(alice, user_id="999999999")
    assert find(token) == alice
    assert refusal_of(nobody) == "user_not_found"
    tenants.alias = "tenant"
    for bad in (token, nobody, mint(bob)):
        with pytest.raises(ImproperlyConfigured, match=r"'tenant' now.*'default' at start-up"):
            find(bad)
    with pytest.raises(ImproperlyConfigured):
        get_users_by_ids([alice.pk])
