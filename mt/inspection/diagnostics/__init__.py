"""Statistics of attention maps (docs/diagnostics.md)."""
