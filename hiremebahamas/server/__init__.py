"""The production server: granian, its options, and the checks before it starts."""
