"""Scoring translations and word alignments: metrics, intervals, groups of sentences, tables."""
