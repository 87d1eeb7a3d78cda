"""HTTP in and out; what happens in between is in services and directory."""
