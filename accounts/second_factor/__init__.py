"""A second factor at log-in: codes of an authenticator app, recovery codes and passkeys.

Note [Second factor]
An app of its own, which accounts doesn't import: it adds a step to LOGIN_STEPS, and without it a
password is enough. The step answers a right password with a challenge, which is signed and stored
nowhere. It names the user and the state of the account, and that state changes with the log-in: a
challenge works once, and not after a new password, the end of all sessions or another factor.

The secret of an authenticator app is encrypted with keys of its own, and recovery codes are hashed.
Both are read from the database, by log-ins and by changes of the factor, and never cached. A code
is used up by an UPDATE that asks whether it still is unused, so of two requests with one code the
database lets one through. A code of an app also ends those of the time before it. A passkey signs
a text that is derived from the log-in's challenge, and so nothing of it can be used a second time.
One that has verified its user logs in alone: Note [Passkeys without a password].
"""
