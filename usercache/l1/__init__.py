"""The client-side cache (L1): records in process memory, and the thread that keeps them current."""
