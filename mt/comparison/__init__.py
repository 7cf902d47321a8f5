"""Comparison of systems: training, statistics and report of mt-compare."""
