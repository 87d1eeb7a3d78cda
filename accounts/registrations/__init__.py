"""Registrations that wait for their address to be confirmed: Note [Registration by mail].

Note [Registration by mail]
With AUTH_REGISTRATION_BY_MAIL an account is made once its address has been confirmed, and until
then it is a row here. For an address that has an account the request does the very same: it hashes
the password, adds a row, and gives the same answer. Only then, on the mailer's thread, is the
address looked up: a free one gets a token, the owner of a taken one is told that they have an
account. An account before the confirmation would tell an attacker who registers with another's
address, since log-in would take their password if the address was free.

The answer doesn't tell of a phone number that another account has, either: the new account is made
without it, which its owner sees, and so would anybody who changes their number to it. Usernames are
public, so a taken one is refused at once.

Note [Two proofs]
The confirmation asks for the token and for the password of the registration. The token alone shows
that somebody reads the mail of the address, and not that they have asked for the account: an
attacker could register with another's address, have its owner follow the link, and share the
account with them by a password that the owner never chose.
"""
