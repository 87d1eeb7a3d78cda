"""Signing in with Google, Apple or any OpenID Connect provider: Note [OpenID Connect].

Note [OpenID Connect]
An app of its own, which accounts doesn't import. A flow begins with a request that returns the
URL of the provider's page, and a `flow`: a signed text that the client keeps to itself and that
names the provider, the purpose and a random id. State, nonce and PKCE's verifier are derived from
that id under our key. So nothing is stored when a flow begins; and what passes through the
browser's address bar, state and code, is worth nothing without the `flow`, to a thief as to a
victim who is lured into somebody else's log-in. The id is stored when the flow is used, so that
it is used once.

All that is asked of a provider is its ID token, whose signature, issuer, audience, age and nonce
are checked. Its access and refresh tokens are dropped as they come. What is kept is the identity:
the issuer, and the subject, by which the issuer names its user for ever.

An identity belongs to an account in two ways: the account was created with it, or a user who is
logged in, and has just proved it again, linked it. An email never leads to an account. If
the email that a provider vouches for has one, verified or not, the user is told to log in and
link. Otherwise a provider that is wrong about one address, or somebody who registered it before
its owner, would be let in for good.

An account links only once its email is verified: otherwise somebody could register with another's
email, link a provider of their own, and stay inside when the owner of the email resets the
password.
"""
