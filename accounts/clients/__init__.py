"""Who asks: a request's address and device."""
