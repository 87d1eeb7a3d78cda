"""Counters, audit and tracing."""
