"""`make fleet`: the command that plays the scenarios of either topology."""
