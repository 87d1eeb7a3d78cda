"""Converters of URL paths; `AccountsConfig.ready()` imports them."""

from django.urls import register_converter

from accounts.columns.fields import LARGEST_INTEGER


class RowIdConverter:
    """A row's id; a path that can't be one matches no route, and so is a 404."""

    # As many digits as the largest id; so huge numbers need not be parsed.
    regex = "[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> int:
        """Return the id.

        Raises: ValueError for one larger than the column, which Django takes for no match.
        """
        row_id = int(value)
        if row_id > LARGEST_INTEGER:
            raise ValueError(f"{value} is larger than any id.")
        return row_id

    def to_url(self, value: int) -> str:
        """Return the id's digits."""
        return str(value)


register_converter(RowIdConverter, "row_id")
