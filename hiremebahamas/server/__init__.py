"""The production server: gunicorn, what it is told, and what must be right before it starts."""
