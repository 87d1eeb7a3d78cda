"""How often, how much at once, and after the answer."""
