"""Hand every request its user from Redis or process memory, as fresh as the database has them."""
