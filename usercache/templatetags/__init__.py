"""Django looks here for the templates' filters."""
