"""What the documentation says: its code runs, its links lead somewhere."""
