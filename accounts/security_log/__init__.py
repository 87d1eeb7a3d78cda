"""What happened to accounts, when, and from where; Note [The security log].

Note [The security log]
An event is written in the transaction of what it tells of: either both are there or neither is. A
failed log-in changes nothing, and is written by itself. What changes an account calls `record()`:
services, and the admin site. A new password and a failed log-in are recorded in whichever way they
come about (`receivers.py`). Nothing is written by requests that only read.

Rows are only ever added. On PostgreSQL a trigger refuses to change or delete them and sets their
time; it lets `manage.py prune_security_log` delete rows older than thirty days. An event outlives
its user: it has their id, and neither their email nor what they typed.
"""
