"""What the production server is told, and what keeps it from starting."""
