"""The OpenAPI schema of this app: a constant per operation, and what they share."""
