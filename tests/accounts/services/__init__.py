"""The actions on accounts and sessions."""
