"""What columns hold: fields that normalise themselves, and text that can be seen."""
