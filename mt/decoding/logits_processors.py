"""Constraints on the next token, which beam search and sampling share.

A constraint is a function of the tokens so far. It changes logits, and the probabilities are those
of its softmax; or it excludes tokens after the softmax, and the others keep their probability under
the model, so that the scores of different hypotheses stay comparable.

Shapes: B sentences, K hypotheses per sentence, V vocabulary, T tokens so far.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mt.data.vocabulary import BOS, EOS, PAD, UNK
from mt.decoding.options import SearchOptions
from mt.decoding.prefixes import NO_TOKEN, Prefixes

# Tokens that are never produced. UNK is not needed: the tokenizer falls back to bytes.
FORBIDDEN_TOKENS = (PAD, UNK, BOS)


class LogitsProcessor:
    """A constraint, without effect by default. The methods may change their first argument."""

    def before_softmax(self, logits: Tensor, tokens: Tensor) -> Tensor:
        """Return changed logits [B, K, V] of the token that follows tokens [B, K, T]."""
        return logits

    def after_softmax(self, log_probs: Tensor, tokens: Tensor) -> Tensor:
        """Return log-probabilities [B, K, V] with -inf for tokens that must not follow."""
        return log_probs

    def select(self, sentences: Tensor) -> LogitsProcessor:
        """Return the constraint for some sentences of the batch, given by their rows."""
        return self


class Chain(LogitsProcessor):
    """Several constraints, applied in order."""

    def __init__(self, processors: Sequence[LogitsProcessor]) -> None:
        self.processors = list(processors)

    def before_softmax(self, logits: Tensor, tokens: Tensor) -> Tensor:
        for processor in self.processors:
            logits = processor.before_softmax(logits, tokens)
        return logits

    def after_softmax(self, log_probs: Tensor, tokens: Tensor) -> Tensor:
        for processor in self.processors:
            log_probs = processor.after_softmax(log_probs, tokens)
        return log_probs

    def select(self, sentences: Tensor) -> Chain:
        return Chain([processor.select(sentences) for processor in self.processors])


class ForbiddenTokens(LogitsProcessor):
    """Exclude tokens everywhere."""

    def __init__(self, tokens: Sequence[int], device: torch.device) -> None:
        self.tokens = torch.tensor(tokens, device=device)

    def after_softmax(self, log_probs: Tensor, tokens: Tensor) -> Tensor:
        return log_probs.index_fill_(2, self.tokens, -torch.inf)


class MinLength(LogitsProcessor):
    """Exclude EOS until an output has `length` tokens."""

    def __init__(self, length: int) -> None:
        self.length = length

    def after_softmax(self, log_probs: Tensor, tokens: Tensor) -> Tensor:
        if tokens.shape[2] < self.length:
            log_probs[..., EOS] = -torch.inf
        return log_probs


class RepetitionPenalty(LogitsProcessor):
    """Lower the logits x of all tokens that the output already has (Keskar et al. 2019).

    Section 4.1 divides them by the penalty. A logit below 0 would rise, so it is multiplied
    instead, as in CTranslate2 and Hugging Face transformers.
    """

    def __init__(self, penalty: float) -> None:
        self.penalty = penalty

    def before_softmax(self, logits: Tensor, tokens: Tensor) -> Tensor:
        seen = logits.gather(2, tokens)
        lowered = torch.where(seen < 0, seen * self.penalty, seen / self.penalty)
        return logits.scatter(2, tokens, lowered)


class NoRepeatNgram(LogitsProcessor):
    """Exclude tokens that would complete an n-gram which the output already has."""

    def __init__(self, size: int) -> None:
        self.size = size

    def after_softmax(self, log_probs: Tensor, tokens: Tensor) -> Tensor:
        if (length := tokens.shape[2]) < self.size:
            return log_probs
        ngrams = tokens.unfold(2, self.size, 1)  # [B, K, T - n + 1, n]
        history = tokens[..., None, length - self.size + 1 :]  # the last n - 1 tokens
        repeated = (ngrams[..., :-1] == history).all(-1)
        # Of several n-grams with the same last token, one that is repeated suffices: the minimum.
        limit = torch.where(repeated, -torch.inf, torch.inf).to(log_probs.dtype)
        return log_probs.scatter_reduce(2, ngrams[..., -1], limit, "amin")


class ForcedPrefix(LogitsProcessor):
    """Allow only outputs that begin with one of the token sequences of their sentence.

    Inside these sequences no other constraint holds; after them, those of `rest` do. A sentence
    without sequences has no prefix.
    """

    def __init__(self, sequences: Tensor, new_word: Tensor, rest: LogitsProcessor) -> None:
        """Initialise the constraint.

        Args:
            sequences: token ids [B, N, L], padded with NO_TOKEN.
            new_word: the tokens that NEW_WORD stands for.
            rest: the other constraints.
        """
        self.sequences, self.new_word, self.rest = sequences, new_word, rest

    @classmethod
    def build(cls, prefixes: Prefixes, rest: LogitsProcessor, device: torch.device) -> ForcedPrefix:
        count, longest = max(map(len, prefixes.sequences)), max(prefixes.lengths())
        padded = [
            [each + [NO_TOKEN] * (longest - len(each)) for each in sequences]
            + [[NO_TOKEN] * longest] * (count - len(sequences))
            for sequences in prefixes.sequences
        ]
        return cls(
            torch.tensor(padded, device=device),
            torch.tensor(prefixes.new_word, dtype=torch.long, device=device),
            rest,
        )

    def before_softmax(self, logits: Tensor, tokens: Tensor) -> Tensor:
        return self.rest.before_softmax(logits, tokens)

    def after_softmax(self, log_probs: Tensor, tokens: Tensor) -> Tensor:
        length = tokens.shape[2]
        if length >= self.sequences.shape[2]:
            return self.rest.after_softmax(log_probs, tokens)
        following = self.sequences[:, None, :, length]  # [B, 1, N]
        begun = (following != NO_TOKEN).expand(*tokens.shape[:2], -1)  # [B, K, N]
        for position in range(length):  # one at a time, because N may be thousands
            begun = begun & (self.sequences[:, None, :, position] == tokens[:, :, None, position])
        # Two columns beyond the vocabulary take NO_TOKEN and NEW_WORD.
        vocabulary = log_probs.shape[2]
        column = torch.where(following < 0, vocabulary - 1 - following, following)
        allowed = log_probs.new_zeros(*begun.shape[:2], vocabulary + 2)
        allowed.scatter_reduce_(2, column.expand_as(begun), begun.to(allowed.dtype), "amax")
        allowed[..., self.new_word] += allowed[..., -1:]
        forced = log_probs.masked_fill(allowed[..., :vocabulary] == 0, -torch.inf)
        inside = begun.any(2, keepdim=True)
        return torch.where(inside, forced, self.rest.after_softmax(log_probs, tokens))

    def select(self, sentences: Tensor) -> ForcedPrefix:
        sequences = self.sequences.index_select(0, sentences)
        return ForcedPrefix(sequences, self.new_word, self.rest.select(sentences))


class GivenStart(LogitsProcessor):
    """Begin all outputs with the same tokens, with probability 1; `rest` holds after them.

    This is what `forced_bos_token_id` does in Hugging Face transformers.
    """

    def __init__(self, start: Sequence[int], rest: LogitsProcessor) -> None:
        self.start, self.rest = list(start), rest

    def before_softmax(self, logits: Tensor, tokens: Tensor) -> Tensor:
        return self.rest.before_softmax(logits, tokens[..., len(self.start) :])

    def after_softmax(self, log_probs: Tensor, tokens: Tensor) -> Tensor:
        length = tokens.shape[2]
        if length >= len(self.start):
            return self.rest.after_softmax(log_probs, tokens[..., len(self.start) :])
        given = torch.full_like(log_probs, -torch.inf)
        given[..., self.start[length]] = 0.0
        return given

    def select(self, sentences: Tensor) -> GivenStart:
        return GivenStart(self.start, self.rest.select(sentences))


def build_processor(
    options: SearchOptions, prefixes: Prefixes | None, device: torch.device
) -> LogitsProcessor:
    """Return all constraints of a search as one."""
    processors: list[LogitsProcessor] = [ForbiddenTokens(FORBIDDEN_TOKENS, device)]
    if options.min_length:
        processors.append(MinLength(options.min_length))
    if options.repetition_penalty != 1:
        processors.append(RepetitionPenalty(options.repetition_penalty))
    if options.no_repeat_ngram:
        processors.append(NoRepeatNgram(options.no_repeat_ngram))
    processor: LogitsProcessor = Chain(processors)
    if prefixes and prefixes.has_text:
        processor = ForcedPrefix.build(prefixes, processor, device)
    return GivenStart(prefixes.start, processor) if prefixes and prefixes.start else processor
