"""What columns hold."""
