"""Attention maps as pictures (PNG, SVG) and as HTML pages."""
