"""schemathesis against the product as in production."""
