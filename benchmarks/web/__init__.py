"""The product under granian, and a client that keeps it busy."""
