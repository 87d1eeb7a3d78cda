"""Other packages' own tests, run with ours in the place of what they replace."""
