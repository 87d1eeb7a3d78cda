"""`manage.py prune_security_log`."""
