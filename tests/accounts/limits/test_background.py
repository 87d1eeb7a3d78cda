"""Tasks after the answer: in order, bounded in number, and without their words in a log."""

import logging
import threading
from functools import partial
from smtplib import SMTPRecipientsRefused

import pytest

from accounts.limits.background import MAX_WAITING, BackgroundTasks
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_tasks_go_on_after_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """The log has its kind, and neither recipient nor token."""

    def fail() -> None:
        raise SMTPRecipientsRefused({"alice@example.com": (550, b"7..secret")})

    tasks, done = BackgroundTasks("mailer", "A message can't be sent"), threading.Event()
    with caplog.at_level(logging.ERROR):
        tasks.submit(fail)
        tasks.submit(done.set)
        assert done.wait(60)
    assert "A message can't be sent: SMTPRecipientsRefused" in caplog.text
    assert "alice" not in caplog.text
    assert "secret" not in caplog.text


def test_a_bounded_number_waits(caplog: pytest.LogCaptureFixture) -> None:
    """More are dropped, and said; those before are run, in order."""
    tasks, may_go, order = BackgroundTasks("mailer", ""), threading.Event(), list[int]()
    tasks.submit(partial(may_go.wait, 60))
    for number in range(MAX_WAITING + 1):
        tasks.submit(partial(order.append, number))
    assert "one was dropped" in caplog.text
    may_go.set()
    wait_until(lambda: len(order) == MAX_WAITING - 1, "all of them are run")
    assert order == sorted(order)
