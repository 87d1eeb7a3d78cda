"""Providers: logging in by them, linking them, and attacks on both."""
