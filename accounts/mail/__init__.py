"""Messages to users: sending them, the notices, and the tokens in them."""
