"""The actions on accounts and sessions, one function and one transaction each."""
