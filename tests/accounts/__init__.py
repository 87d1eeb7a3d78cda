"""What the accounts app promises: a file per behaviour."""
