"""How the OpenAPI schema describes this app: an operation a constant, and what they share."""
