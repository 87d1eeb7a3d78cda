"""Cached users in the responses of Django REST framework."""
