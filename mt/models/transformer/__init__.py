"""Transformer encoder and decoder."""
