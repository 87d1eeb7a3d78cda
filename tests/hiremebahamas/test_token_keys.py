"""The keys of tokens come from the environment, and no process starts with bad ones."""

from tests.accounts.token_keys.made import public_text_of, text_of
from tests.hiremebahamas.test_environment import PRODUCTION, run


def test_process_with_bad_keys_does_not_start() -> None:
    """It says what is wrong, once, and shows no key."""
    public = public_text_of("ed25519")
    answer = run("manage.py", "check", **(PRODUCTION | {"JWT_SIGNING_KEY": public}))
    assert answer.returncode == 1
    assert "token_keys.E004: JWT_SIGNING_KEY is a public key" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert public[30:60] not in answer.stderr


def test_keys_come_from_the_environment() -> None:
    """In PEM on one line, beside secrets, and the audience; production's checks say nothing."""
    listed = f"{public_text_of('rsa')},{text_of('secret')} {public_text_of('p256')}"
    keys = {"JWT_SIGNING_KEY": text_of("ed25519"), "JWT_VERIFYING_KEYS": listed}
    lines = {name: text.replace("\n", "\\n") for name, text in keys.items()}
    show = (
        "import django; django.setup(); from rest_framework_simplejwt import state; "
        "from django.core.management import call_command as call; "
        "call('check', deploy=True, fail_level='WARNING'); "
        "ring = state.token_backend; print(ring.algorithm, len(ring.key_ids), ring.audience)"
    )
    audience = {"AUTH_TOKEN_AUDIENCE": "accounts"}
    answer = run("-c", show, **(PRODUCTION | lines | audience))
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "EdDSA 4 accounts"


def test_development_secret_is_refused_in_production() -> None:
    """Everybody knows it."""
    known = "insecure-development-only-jwt-signing-key"
    for name in ("JWT_VERIFYING_KEYS", "USERCACHE_SIGNING_KEY_FALLBACKS"):
        answer = run("manage.py", "check", **(PRODUCTION | {name: known}))
        assert answer.returncode == 1
        assert f"{name} lists a secret that everybody knows" in answer.stderr
