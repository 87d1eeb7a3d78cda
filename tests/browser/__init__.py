"""The admin's pages in a real browser: `make browser` runs these."""
