"""API keys: how a program signs in as a user, without their password; Note [API keys].

Note [API keys]
A key is `hmb_<id>_<secret>`. Its row has the id and a hash; the secret, 256 random bits, is in the
answer that made it and nowhere else.

A key is read from its row once in each process, which then remembers it by a digest under a key of
the process' own (`known.py`). Whether it is still good is in the user's cached record, as for an
access token: `live_keys` names the keys that weren't revoked, and `token_version` ends them all, as
it does every token. So a warm request costs what an access token's does, and a revoked key is
refused at the next request, in every process and without a query. `live_keys` is written under the
user's lock, with the rows it is made from.

Every five minutes of use a process reads the row again, after an answer: the use is noted then, and
a row that was changed past this app (by SQL) is noticed.

Only views that say so take a key (`access.py`), so none of those that manage the account does.
"""
