"""The admin's pages in a real browser: `make faces` runs these."""
