"""The client-side cache, and the connection that invalidates it."""
