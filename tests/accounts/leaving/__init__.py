"""Export, closing, opening again and erasure."""
