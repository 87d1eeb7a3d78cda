"""The production server: granian, what it is told, and what must be right before it starts."""
