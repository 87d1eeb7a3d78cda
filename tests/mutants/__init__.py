"""Mutation testing: whether the tests next to a module notice when its code is changed."""
