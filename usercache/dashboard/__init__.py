"""A snapshot as the admin's dashboard shows it: rows, tables, charts, ready for templates."""
