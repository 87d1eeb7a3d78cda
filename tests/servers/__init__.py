"""PostgreSQL and Redis for the tests: found or started, and stopped with the run."""
