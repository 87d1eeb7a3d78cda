"""`make fleet-up`: the whole topology on loopback, until `make fleet-down`."""
