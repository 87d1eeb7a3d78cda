"""A cached user as an instance of its model: what was assigned, and what a save writes."""
