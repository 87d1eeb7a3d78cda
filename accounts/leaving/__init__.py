"""Taking one's data along, closing an account, opening it again, erasure; Note [Leaving].

Note [Leaving]
Closing deactivates an account at once and deletes its picture. For AUTH_CLOSED_ACCOUNT_DAYS its
owner can open it again, by a token from their mailbox: no answer tells that there is such an
account. After that `manage.py erase_closed_accounts` deletes the row; its owner can have that at
once.

The row is deleted rather than emptied. All that refers to a user is theirs (sessions, keys, second
factors) and goes with it; the security log refers to an id, without a constraint, and ids are never
used twice. A table that is to keep rows of erased users, such as of contracts, has to say so by its
own `on_delete`: SET_NULL, or PROTECT, which lets the erasure fail.

The eraser decides under the row's lock, as the opening does: either comes first, and the other then
finds nothing to do. Row and picture: see Note [Discarded pictures].

An account with privileges isn't erased: Django's history of what an admin has done would go with
it, at that admin's wish.
"""
