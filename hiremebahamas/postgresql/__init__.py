"""Django's PostgreSQL backend with bounded waits: name it as ENGINE in DATABASES."""
