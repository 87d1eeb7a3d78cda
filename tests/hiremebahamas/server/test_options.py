"""Where is served, and by how many: what the environment says, and what the machine suggests."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from hiremebahamas.server.options import count_processors, read_options


@pytest.mark.parametrize(
    "text", ["8000", "localhost:80", ":80", "256.1.1.1:80", "1.2.3.4:0", "1.2.3.4:99999", "unix:"]
)
def test_what_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """With one that would do; host names too, which may mean several addresses."""
    monkeypatch.setenv("WEB_BIND", text)
    with pytest.raises(ImproperlyConfigured, match=r"WEB_BIND is .* as in 127\.0\.0\.1:8000"):
        read_options()


@pytest.mark.parametrize("name", ["WEB_WORKERS", "WEB_THREADS", "WEB_STOP_SECONDS"])
def test_numbers_have_bounds(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A server without workers, or with a million, is a slip."""
    for value in ("0", "1000000", "many"):
        monkeypatch.setenv(name, value)
        with pytest.raises(ImproperlyConfigured, match=f"{name} is '{value}'"):
            read_options()


@pytest.mark.parametrize(
    ("quota", "expected"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", None)]
)
def test_a_container_s_quota_counts(tmp_path: Path, quota: str, expected: int | None) -> None:
    """Where there is one, less than it is not used, nor more."""
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    everything = count_processors(tmp_path / "none")
    assert count_processors(file) == (expected or everything)
