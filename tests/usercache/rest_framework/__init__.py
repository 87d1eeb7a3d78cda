"""Tests of cached users in the responses of Django REST framework."""
