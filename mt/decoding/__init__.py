"""Decoding: from text to text, with one search for all models."""
