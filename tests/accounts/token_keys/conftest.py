"""Rings of keys in the place of the settings' own."""

from collections.abc import Callable, Iterator

import pytest
from rest_framework_simplejwt import state

from accounts.token_keys.keys import read_key
from accounts.token_keys.ring import KeyRing
from usercache.auth.verified_tokens import get_verified_tokens

UseKeys = Callable[..., KeyRing]


@pytest.fixture
def use_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[UseKeys]:
    """Sign with the first of some texts and verify with all, as after a restart with them."""

    def use(*texts: str) -> KeyRing:
        ring = KeyRing([read_key(text) for text in texts])
        monkeypatch.setattr(state, "token_backend", ring)
        return ring

    yield use
    get_verified_tokens.cache_clear()
