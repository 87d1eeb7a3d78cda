"""A project with Django's stock user and the libraries whose ways to sign in the cache serves."""
