"""Resampling, significance tests and verdicts."""
