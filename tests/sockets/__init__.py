"""The documentation's WebSockets over real connections, in several processes."""
