"""Attention of Transformers: kernels, positions, patterns and multi-head attention."""
