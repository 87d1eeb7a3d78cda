"""HTTP in and out; what happens in between is in services, sessions and directory."""
