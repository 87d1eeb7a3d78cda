"""The row of a user who is active, for a service that changes what is theirs."""

from accounts.errors import AccountGone
from accounts.models import User


def load_active_user(user_id: int) -> User:
    """Return the row, locked until the end of the transaction.

    Raises: AccountGone.
    """
    user = User.objects.select_for_update().filter(pk=user_id, is_active=True).first()
    if user is None:
        raise AccountGone
    return user
