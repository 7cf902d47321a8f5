"""The attention of trained models: weights, word alignments, diagnostics, and maps to look at.

The modules build on each other in this order:

1. `attention_kinds`, `pair_attention`: the weights of one pair of sentences, for subword pieces and
   merged to words (`piece_merging`).
2. `teacher_forcing`: the weights of a model on given pairs.
3. `alignments`, `alignment_error`: word alignments from the weights, and their error rate.
4. `inspector`: translation with weights and alignments; the Python interface.
5. `diagnostics`: statistics of all attention maps on a test set (docs/diagnostics.md).
6. `maps`: attention maps as pictures and as HTML pages.
"""
