"""Pictures that no user has any more: Note [Discarded pictures].

Note [Discarded pictures]
A file can't be deleted in a transaction. Deleted before the commit, it may be missing from a row
that is rolled back; after it, a process that is killed in between leaves it to be served for ever.
So its name is written down in the transaction that takes it off the user's row. The file is deleted
after the commit, and its name last. What a kill or an error of the disk left over is deleted by
`manage.py erase_closed_accounts`. No name is used twice.
"""

import logging
from functools import partial

from django.core.files.storage import default_storage
from django.db import transaction

from accounts.models import DiscardedPicture, User
from accounts.pictures.avatars import avatar_name

logger = logging.getLogger(__name__)


def discard_picture(user: User) -> None:
    """Take the picture off the user, who is saved by the caller; its file goes after the commit."""
    name = avatar_name(user.avatar_url)
    if name is None:
        return
    discarded = DiscardedPicture.objects.create(name=name)
    user.avatar_url = ""
    # Robust: what the transaction did is done, whatever becomes of the file.
    transaction.on_commit(partial(_delete, discarded), robust=True)


def delete_discarded() -> int:
    """Delete the files that are still there; return how many can't be deleted."""
    rows = DiscardedPicture.objects.order_by("pk").iterator()
    return sum(not _delete(discarded) for discarded in rows)


def _delete(discarded: DiscardedPicture) -> bool:
    try:
        default_storage.delete(discarded.name)
    except OSError as error:
        logger.error("A picture can't be deleted: %s", error)  # noqa: TRY400  # no traceback
        return False
    discarded.delete()
    return True
