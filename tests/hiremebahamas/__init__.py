"""What the project as a whole promises: settings, routes, the shape of errors."""
