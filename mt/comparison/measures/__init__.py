"""Measures of systems: scores, words, attention, costs."""
