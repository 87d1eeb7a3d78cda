"""The directory of users: who may see whom, and the pages of a search."""

from django.db.models import Q, QuerySet

from accounts.models import User

PUBLIC_COLUMNS = ("first_name", "last_name", "username", "occupation", "location")
CONTACT_COLUMNS = ("email", "phone")


def is_visible(user: User, *, viewer: User) -> bool:
    """Say whether the viewer may know of this user; admins see deactivated ones too."""
    return user.is_active or viewer.is_admin


def search_users(*, search: str, ordering: str, viewer: User) -> QuerySet[User]:
    """Return the active users in whose columns every word of `search` occurs.

    Only admins search in email and phone: others could find them out letter by letter.
    """
    columns = PUBLIC_COLUMNS + (CONTACT_COLUMNS if viewer.is_admin else ())
    users = User.objects.filter(is_active=True)
    for word in search.split():
        condition = Q()
        for column in columns:
            condition |= Q(**{f"{column}__icontains": word})
        users = users.filter(condition)
    # Without a tie-break a row may be on two pages, or on none.
    tie_break = "-pk" if ordering.startswith("-") else "pk"
    return users.order_by(ordering, tie_break)
