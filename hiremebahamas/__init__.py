"""The project: settings, routes and the shape of its errors."""
