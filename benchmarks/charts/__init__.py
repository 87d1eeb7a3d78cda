"""Plots of the measurements, for light and dark pages alike."""
