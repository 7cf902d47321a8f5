"""Filters of the training pairs, each of which counts what it drops."""
