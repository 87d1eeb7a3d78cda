"""The whole product: gunicorn's processes, PostgreSQL and Redis, spoken to over HTTP."""
