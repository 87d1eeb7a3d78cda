"""Passwords: their normal form, and which are refused."""
