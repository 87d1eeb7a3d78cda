"""The client-side cache (L1): users in process memory, kept current by Redis client tracking."""
