"""Plots of the figures, for light and dark pages alike."""
