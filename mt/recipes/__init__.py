"""Recipes of several steps, run by `python -m mt.recipes.NAME`."""
