"""Converters of URL paths."""

from accounts.models import User


class UserIdConverter:
    """A user's id; a path that can't be one matches no route, and so is a 404."""

    # As many digits as the largest id; so huge numbers need not be parsed.
    regex = "[1-9][0-9]{0,18}"
    max_value = 2**63 - 1

    def to_python(self, value: str) -> int:
        """Return the id.

        Raises: ValueError for one larger than the column, which Django takes for no match.
        """
        user_id = int(value)
        if user_id > self.max_value:
            raise ValueError(f"{value} is larger than any id of {User._meta.db_table}.")
        return user_id

    def to_url(self, value: int) -> str:
        """Return the id's digits."""
        return str(value)
