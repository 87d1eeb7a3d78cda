"""Other packages' own tests, run with ours in the place of simplejwt's authentication."""
