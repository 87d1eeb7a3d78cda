"""Passwords: their normal form, their hash, and which are refused."""
