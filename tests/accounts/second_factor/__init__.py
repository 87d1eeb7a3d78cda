"""Second factors: their set-up, their log-in, and attacks on both."""
