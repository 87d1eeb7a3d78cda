"""Access and refresh tokens: their claims, their cookie, and whose a request's is."""
