"""A project with the core of usercache alone, without optional rooms and their libraries."""
