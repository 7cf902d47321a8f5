"""Computation of results.json."""
