"""Several web servers under load while something breaks: what was stale, what failed, how long."""
