"""What runs in the measured processes, with Django set up."""
