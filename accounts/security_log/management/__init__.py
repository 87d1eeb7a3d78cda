"""This app's commands."""
