"""Limits: how often, how much at once, and how much after the answer."""
