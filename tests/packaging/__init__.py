"""The package as others get it: built, installed, used by projects that know nothing of it."""
