"""The client of a request: its address and device."""
