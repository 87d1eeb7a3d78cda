"""The ORM side: loading users, and announcing their writes."""
