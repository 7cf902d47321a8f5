"""Attention of recurrent decoders: scores, scopes and hard attention."""
