"""The directory of users, and the index of its search."""
