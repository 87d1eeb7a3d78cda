"""How to run PostgreSQL, which refuses root and users without a name, as somebody else."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from tests.servers.errors import ServerUnavailableError

NOBODY = 65534
TRIAL_SECONDS = 60
OPEN_TO_PASS_THROUGH = 0o711

# Seen from inside this namespace our files belong to nobody, so no file changes hands.
NAMESPACE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")
# Where containers may not make namespaces: really become nobody, which then needs the folder.
OTHER_USER = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")


def unprivileged_prefix(directory: Path) -> tuple[str, ...]:
    """Find the words that, before a command, run it as an ordinary user; none if we are one.

    `directory` is where that command will write.
    Raises: ServerUnavailableError if we are not, and cannot become one here.
    """
    if _is_ordinary_user():
        return ()
    if _works(NAMESPACE):
        return NAMESPACE
    if _works(OTHER_USER):
        directory.parent.chmod(OPEN_TO_PASS_THROUGH)
        os.chown(directory, NOBODY, NOBODY)
        return OTHER_USER
    raise ServerUnavailableError(
        "PostgreSQL runs neither as root nor as a user without a name, and neither unshare nor "
        "setpriv (util-linux) works here. Run the tests as an ordinary user, or set DATABASE_URL "
        "to a running server."
    )


def _is_ordinary_user() -> bool:
    try:
        return pwd.getpwuid(os.geteuid()).pw_uid != 0
    except KeyError:  # a container was started with a number for its user
        return False


def _works(prefix: tuple[str, ...]) -> bool:
    if shutil.which(prefix[0]) is None:
        return False
    trial = subprocess.run(
        [*prefix, "true"], check=False, capture_output=True, timeout=TRIAL_SECONDS
    )
    return trial.returncode == 0
