"""Each backend, and when Redis is asked."""
