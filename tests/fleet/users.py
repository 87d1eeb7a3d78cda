"""The users in the database: made, written and read by SQL, past the product."""

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from tests.fleet.mint import FIRST_LINK, Mint, session_of

CONNECT_SECONDS = 2

# Their sessions have the id and the first refresh token that the mint knows.
CREATE = f"""
WITH created AS (
  INSERT INTO users (email, first_name, last_name, password, bio, avatar_url, occupation, location,
    is_active, is_admin, is_superuser, created_at, updated_at, token_version)
  SELECT gen_random_uuid() || '@example.com', 'Alice', 'Rolle', '!unusable', '0', '', '', '',
    true, false, false, now(), now(), 1
  FROM generate_series(1, %s) RETURNING id
)
INSERT INTO login_sessions (id, user_id, token_hash, created_at, rotated_at, expires_at)
SELECT lpad(to_hex(id), 32, '0')::uuid, id, encode(sha256(('{FIRST_LINK}' || id)::bytea), 'hex'),
  now(), now(), now() + '1 day'
FROM created RETURNING user_id
"""
READ = "SELECT bio FROM users WHERE id = %s FOR UPDATE"
WRITE = "UPDATE users SET bio = %s WHERE id = %s"


class Credential(NamedTuple):
    """What every server accepts for a user: an access token, or a key."""

    token: str
    scheme: str = "Bearer"


class Person(NamedTuple):
    """A user, who has an access token at any time."""

    pk: int
    mint: Mint

    @property
    def credential(self) -> Credential:
        """The access token that they have now."""
        return Credential(self.mint.find_token(self.pk))

    @property
    def session_id(self) -> UUID:
        """The session that it is of."""
        return session_of(self.pk)


class Users:
    """The table of users, over one connection for one thread; made again where it was lost.

    A user's version is their bio, a number: 0 at first.
    """

    def __init__(self, find_url: Callable[[], str], mint: Mint) -> None:
        """Connect to nothing yet; a failover may change where the database is."""
        self._find_url = find_url
        self._mint = mint
        self._connection: psycopg.Connection | None = None

    def create(self, count: int) -> list[Person]:
        """Add users who have just logged in, which closes their account without a password."""
        return [Person(pk, self._mint) for (pk,) in self.execute(CREATE, count)]

    def read_version(self, pk: int) -> int:
        """Return what is committed, once the present writer of this row has finished."""
        [(bio,)] = self.execute(READ, pk)
        return int(bio)

    def write_version(self, pk: int, version: int) -> None:
        """Write and commit as a service that knows of no cache."""
        self.execute(WRITE, str(version), pk)

    def close(self) -> None:
        """Disconnect; the next use connects again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def execute(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Execute a statement, which commits, and return its rows.

        Raises:
            psycopg.OperationalError: PostgreSQL is away, or takes no writes.
        """
        try:
            if self._connection is None:
                self._connection = psycopg.connect(
                    self._find_url(), autocommit=True, connect_timeout=CONNECT_SECONDS
                )
            cursor = self._connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []
        except psycopg.OperationalError:
            self.close()
            raise
        except psycopg.errors.ReadOnlySqlTransaction as error:
            raise psycopg.OperationalError(str(error)) from error
