"""`python -m tests.servers REDIS_URL DATABASE_URL`: run those servers until the end of stdin."""

import sys

from tests.servers.supervisor import supervise

sys.exit(supervise(sys.argv[1:], sys.stdin, sys.stdout))
