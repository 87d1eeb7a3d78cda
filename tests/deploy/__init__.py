"""What deploy/ holds: each file by the linter of its kind, and what they call."""
