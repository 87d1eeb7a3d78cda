"""The product under load for minutes, while Redis is killed and restarted."""
