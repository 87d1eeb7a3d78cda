"""Where records are kept: Redis, or the memory of this process; and when Redis may be asked."""
