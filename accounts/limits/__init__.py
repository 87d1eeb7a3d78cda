"""How much may be done: by whom and how often, at once, and after the answer."""
