"""The keys that tokens are signed with, and how one replaces another; see Note [Token keys].

Note [Token keys]
The first of AUTH_TOKEN_KEYS signs, all of them verify. A key is a secret (HS256), or a private or
public key in PEM, whose kind decides the algorithm: RSA RS256, P-256 ES256, Ed25519 EdDSA. So a key
has one algorithm whatever a token's header says, and none of them is `none`.

A token names its key in the header `kid`: an id derived from the key, by which the key is looked up
in a dictionary and nothing else. Keys and addresses in a token's header (`jwk`, `jku`, `x5c`) are
never read. A token without `kid` was signed before tokens had one, and each key is tried.

simplejwt asks `state.token_backend` for every token class, so one object in its place is followed
by every view, by ForwardAuth, and by the verified tokens that `usercache.auth` remembers: `key_ids`
is among what these depend on, so that a token of a key that is gone is verified again, and refused.

What depends on a key besides signatures would break with its rotation. So the successor of a
refresh token is derived with SECRET_KEY (`accounts/tokens/claims.py`): two tabs whose refreshes
meet servers that sign with different keys get the same one. Tokens from messages and challenges of
a second factor are signed with SECRET_KEY, too.
"""
