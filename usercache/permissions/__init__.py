"""Optional: the permissions of cached users, without a query, never older than the last commit."""
