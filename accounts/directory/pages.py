"""The directory of users: which users may see which, and the pages of a search."""

from typing import NamedTuple

from django.db.models import Q, QuerySet
from django.db.models.lookups import IContains

from accounts.directory.search_index import CONTACT_COLUMNS, PUBLIC_COLUMNS, JoinedColumns
from accounts.models import User


class Page(NamedTuple):
    """Some of the users that a search finds, and how many it finds in all."""

    users: list[User]
    total: int


def is_visible(user: User, *, viewer: User) -> bool:
    """Return whether the viewer may see this user; admins see deactivated ones too."""
    return user.is_active or viewer.is_admin


def find_page(*, search: str, ordering: str, viewer: User, page: int, page_size: int) -> Page:
    """Return a page, from 1, of the active users whose columns contain every word of `search`.

    Two queries. Only admins search in email and phone: others could find them out letter by letter.
    """
    found = _search_users(search, viewer)
    # Without a tie-break a row may be on two pages, or on none.
    columns = (ordering, "-pk" if ordering.startswith("-") else "pk")
    start = (page - 1) * page_size
    # The rows before a deep page are only counted, by an index that has all that it takes.
    keys = found.order_by(*columns).values("pk")[start : start + page_size]
    return Page(list(User.objects.filter(pk__in=keys).order_by(*columns)), found.count())


def _search_users(search: str, viewer: User) -> QuerySet[User]:
    # See Note [Search by trigrams].
    texts = [JoinedColumns(*PUBLIC_COLUMNS)]
    if viewer.is_admin:
        texts.append(JoinedColumns(*CONTACT_COLUMNS))
    users = User.objects.filter(is_active=True)
    for word in search.split():
        condition = Q()
        for text in texts:
            condition |= Q(IContains(text, word))
        users = users.filter(condition)
    return users
