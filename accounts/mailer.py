"""Messages to users, sent in the background: Note [Mail].

Note [Mail]
What is sent, and whether anything is, is decided on a thread of its own, after the answer: neither
its words nor its time tell who has an account. A message that can't be sent is logged without its
recipient, and not tried again: the user asks for another. While a hundred tasks wait, more are
dropped.
"""

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from django.conf import settings
from django.core.mail import send_mail
from django.db import connections

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 100
TOKEN: Final = "{token}"  # noqa: S105  # a placeholder

RESET_SUBJECT: Final = "Choose a new password"
RESET: Final = """Somebody, probably you, wants to choose a new password for {email}.

{link}

This works once, within {minutes} minutes. If it wasn't you, ignore this message.
"""
CONFIRM_SUBJECT: Final = "Confirm your email address"
CONFIRM: Final = """Confirm that {email} is your address:

{link}

This works once, within {minutes} minutes. If it wasn't you, ignore this message.
"""
NOTICE: Final = """{what}

If it wasn't you, choose a new password at once, which ends every session.
"""


class Mailer:
    """Runs tasks that send mail, one after the other."""

    def __init__(self) -> None:
        """Start no thread yet."""
        self.reset()

    def reset(self) -> None:
        """Begin as a new process, which has no thread of its parent's."""
        self._lock = threading.Lock()
        self._waiting = 0
        self._executor: ThreadPoolExecutor | None = None

    def submit(self, task: Callable[[], object]) -> None:
        """Run the task soon, after those before it."""
        with self._lock:
            if self._waiting >= MAX_WAITING:
                logger.error("Too many messages are waiting to be sent; one was dropped.")
                return
            self._waiting += 1
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, thread_name_prefix="mailer")
            sending = self._executor.submit(_run, task)
        # Without the lock: of a task that is done already, this calls _finish() at once.
        sending.add_done_callback(self._finish)

    def _finish(self, done: "Future[None]") -> None:
        with self._lock:
            self._waiting -= 1
        error = done.exception()
        if error is not None:
            # Its message may name the recipient.
            logger.error("A message can't be sent: %s", type(error).__name__)


MAILER: Final = Mailer()
os.register_at_fork(after_in_child=MAILER.reset)


def send_reset(email: str, token: str) -> None:
    """Send the token that lets its owner choose a new password."""
    _send(RESET_SUBJECT, RESET, email, _make_link(settings.AUTH_RESET_PASSWORD_URL, token))


def send_confirmation(email: str, token: str) -> None:
    """Send the token that shows that its owner reads the mail of this address."""
    _send(CONFIRM_SUBJECT, CONFIRM, email, _make_link(settings.AUTH_CONFIRM_EMAIL_URL, token))


def send_notice(email: str, what: str) -> None:
    """Tell the user what was changed."""
    send_mail(what, NOTICE.format(what=what), None, [email])


def _run(task: Callable[[], object]) -> None:
    try:
        task()
    finally:
        connections.close_all()  # this thread's


def _make_link(url: str, token: str) -> str:
    return url.replace(TOKEN, token) if url else token


def _send(subject: str, text: str, email: str, link: str) -> None:
    minutes = settings.PASSWORD_RESET_TIMEOUT // 60
    send_mail(subject, text.format(email=email, link=link, minutes=minutes), None, [email])
