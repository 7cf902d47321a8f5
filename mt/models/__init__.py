"""Encoder-decoder models and their training loss."""
