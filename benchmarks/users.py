"""The users in the database of a benchmark, and their tokens."""

from datetime import UTC, datetime, timedelta
from typing import Final

import jwt
import psycopg

TOKEN_HOURS: Final = 2

# Commonest first: that is how often they are used. As many as keep a bio from repeating itself
# more than people do, since what repeats itself is easily compressed.
WORDS: Final = """
and the a of in for with to I on at my as is from work years who by have people an am also love
after before during our their job team hotel kitchen boat island since until where when more
experience looking guests service new small large own good best early late night morning season
weddings events harbour ferry marina beach resort chef cook pastry baker waiter bartender driver
diver guide captain engineer electrician plumber carpenter mason painter welder mechanic gardener
cleaner nurse teacher tutor accountant clerk cashier manager assistant supervisor owner student
apprentice graduate licence certificate degree course training school college university church
family children parents brother sister husband wife friend neighbour customers visitors tourists
English Spanish Creole French German fluent spoken written learning available immediately weekends
evenings part full time contract permanent temporary remote office site workshop garage shop store
market restaurant bar cafe bakery bank clinic hospital airport dock yard farm garden pool golf
fishing sailing diving snorkelling swimming music drums trumpet guitar dance carnival festival art
craft straw wood stone glass paint fabric leather jewellery conch lobster grouper snapper rice peas
johnnycake guava coconut rum cocktail menu budget schedule stock orders payroll invoices records
computer software website design photography video social media marketing sales reliable punctual
careful friendly honest patient quick strong creative organised independent references request
Nassau Freeport Exuma Abaco Eleuthera Andros Bimini Inagua Acklins Cat Long ten five twenty three
first second last next again always often never still almost together
"""
# As people fill such a profile in: most have a username, a phone and a picture, a bio has up to
# seventy words. All by the number, so that every run has the same people.
CREATE: Final = """
INSERT INTO users (email, username, first_name, last_name, phone, password, bio, avatar_url,
  occupation, location, is_active, is_admin, is_superuser, created_at, updated_at, token_version)
SELECT 'user' || n || '@example.com',
  CASE WHEN n %% 10 < 9 THEN 'user' || n END,
  (ARRAY['Alice', 'Bob', 'Charlie', 'Dora', 'Grace'])[1 + n %% 5],
  (ARRAY['Rolle', 'Albury', 'Ferguson', 'Knowles', 'Moss', 'Pinder', 'Cartwright'])[1 + n %% 7],
  CASE WHEN n %% 5 < 4 THEN '+1242' || lpad(n::text, 7, '0') END,
  '!unusable',
  (SELECT coalesce(string_agg(word, ' '), '') FROM (
    SELECT (%(words)s::text[])[1 + floor(
      ((hashint8(n * 71 + i) & 4095) / 4096.0) ^ 2 * cardinality(%(words)s::text[]))] AS word
    FROM generate_series(1, n * 31 %% 70) AS i) AS words),
  CASE WHEN n %% 10 < 7 THEN '/media/avatars/' || md5(n::text) || '.webp' ELSE '' END,
  (ARRAY['Chef', 'Diver', 'Electrician', 'Hotel manager', 'Accountant', ''])[1 + n %% 6],
  (ARRAY['Nassau', 'Freeport', 'Exuma', 'Marsh Harbour, Abaco', ''])[1 + n %% 5],
  true, false, false, joined, joined, 1
FROM generate_series(1, %(count)s::bigint) AS n,
  LATERAL (SELECT timestamptz '2026-01-01' + n * interval '1 s' AS joined) AS dates
"""


def create_users(database_url: str, count: int) -> int:
    """Add that many users, whose ids follow each other, and return the first."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(CREATE, {"count": count, "words": WORDS.split()})
        connection.execute("VACUUM ANALYZE users")
        [(first, last)] = connection.execute("SELECT min(id), max(id) FROM users").fetchall()
    assert last - first + 1 == count, "their ids have gaps"
    return int(first)


def mint_tokens(first_id: int, count: int, signing_key: str) -> list[str]:
    """Sign an access token for each of the first users; good for longer than any run takes."""
    now = datetime.now(UTC)
    times = {"iat": now, "exp": now + timedelta(hours=TOKEN_HOURS)}
    kind = {"token_type": "access", "token_version": 1}
    return [
        jwt.encode({"user_id": pk, "jti": f"benchmark-{pk}", **kind, **times}, signing_key, "HS256")
        for pk in range(first_id, first_id + count)
    ]
