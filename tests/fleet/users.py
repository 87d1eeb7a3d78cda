"""The users in the database: made, written and read by SQL, past the product."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import jwt
import psycopg

CONNECT_SECONDS = 2
TOKEN_HOURS = 2

CREATE = """
WITH created AS (
  INSERT INTO users (email, first_name, last_name, password, bio, avatar_url, occupation, location,
    is_active, is_admin, is_superuser, created_at, updated_at, token_version)
  SELECT gen_random_uuid() || '@example.com', 'Alice', 'Rolle', '!unusable', '0', '', '', '',
    true, false, false, now(), now(), 1
  FROM generate_series(1, %s) RETURNING id
)
INSERT INTO login_sessions (id, user_id, token_hash, created_at, rotated_at, expires_at)
SELECT gen_random_uuid(), id, gen_random_uuid(), now(), now(), now() + '1 day' FROM created
RETURNING user_id, id
"""
READ = "SELECT bio FROM users WHERE id = %s FOR UPDATE"
WRITE = "UPDATE users SET bio = %s WHERE id = %s"


class Person(NamedTuple):
    """A user, with a credential that every server accepts for them: an access token, or a key."""

    pk: int
    token: str
    session_id: UUID
    scheme: str = "Bearer"


class Users:
    """The table of users, over one connection for one thread; made again where it was lost.

    A user's version is their bio, a number: 0 at first.
    """

    def __init__(self, database_url: str, signing_key: str) -> None:
        """Connect to nothing yet."""
        self._database_url = database_url
        self._signing_key = signing_key
        self._connection: psycopg.Connection | None = None

    def create(self, count: int) -> list[Person]:
        """Add users who have just logged in, which closes their account without a password."""
        return [Person(pk, self._mint(pk, sid), sid) for pk, sid in self.execute(CREATE, count)]

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
                    self._database_url, autocommit=True, connect_timeout=CONNECT_SECONDS
                )
            cursor = self._connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []
        except psycopg.OperationalError:
            self.close()
            raise
        except psycopg.errors.ReadOnlySqlTransaction as error:
            raise psycopg.OperationalError(str(error)) from error

    def _mint(self, pk: int, session_id: UUID) -> str:
        claims = {"user_id": pk, "token_version": 1, "token_type": "access", "jti": f"fleet-{pk}"}
        claims["sid"] = str(session_id)
        now = datetime.now(UTC)
        times = {"iat": now, "exp": now + timedelta(hours=TOKEN_HOURS)}
        return jwt.encode(claims | times, self._signing_key, "HS256")
