"""Specification, plan and training of a comparison."""
