"""Parallel text: reading, cleaning, tokenizing, caching and batching."""
