"""PostgreSQL's triggers, and the labels of statements."""
