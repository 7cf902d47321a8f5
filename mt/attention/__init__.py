"""Attention mechanisms of recurrent decoders and of Transformers."""
