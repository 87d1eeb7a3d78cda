"""Tests of the dashboard on the admin site."""
