"""PostgreSQL's journal: triggers that note every change of a user, whichever client makes it."""
