"""A gateway in front of a service that isn't Django, as docs/gateways.md has it."""
