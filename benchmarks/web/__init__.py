"""The product under gunicorn, and a client that keeps it busy."""
