"""What the operators' commands show in a terminal, in a pipe, or where only ASCII can be shown."""
