# SPDX-License-Identifier: GPL-3.0-or-later
"""New words for a text encoder: vectors that stand where a word of the prompt stands (Gal et al. 2022).

The encoder itself stays as it is. A learned word is replaced by marks that only an extended copy of the tokenizer
knows, and a hook puts the vectors in where the embedding table has no rows for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor

from backend.priors.base import TextEmbedding
from backend.priors.text import TeachableText, TextReader


def says(word: str, prompt: str) -> bool:
    """Whether the prompt has the word as a whole word."""
    return _pattern(word).search(prompt) is not None


def _pattern(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])", re.IGNORECASE)


def is_ordinary(network: TeachableText, word: str) -> bool:
    """Whether the encoder knows a word as one piece, so that it already has a meaning."""
    return len(network.pieces(word)) == 1


class Teacher:
    """A text encoder that knows some words more.

    Args:
        network: the encoder; untouched outside of calls.
        words: vectors (n, D) by word; they may require gradients.
    """

    def __init__(self, network: TeachableText, words: Mapping[str, Tensor]) -> None:
        self.network, self.words = network, dict(words)
        self._marks = {word: [f"<{word}:{number}>" for number in range(len(vectors))]
                       for word, vectors in self.words.items()}
        self._tokenizer, self._first = network.extended([mark for marks in self._marks.values() for mark in marks])

    def __call__(self, prompts: Sequence[str]) -> TextEmbedding:
        """B prompts to B rows; differentiable in the vectors."""
        with self._taught():
            return self.network([self._marked(prompt) for prompt in prompts])

    def _marked(self, prompt: str) -> str:
        for word, marks in self._marks.items():
            prompt = _pattern(word).sub(lambda _, marks=marks: " ".join(marks), prompt)  # type: ignore[misc]
        return prompt

    @contextmanager
    def _taught(self) -> Iterator[None]:
        embedding = self.network.embedding
        vectors = torch.cat([self.words[word] for word in self._marks]).to(embedding.weight.device)
        asked: list[Tensor] = []

        def before(_: Any, inputs: tuple[Tensor]) -> tuple[Tensor]:
            asked.append(inputs[0])
            return (torch.where(inputs[0] >= self._first, 0, inputs[0]),)

        def after(_: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
            ids = asked.pop()
            ours = ids >= self._first
            put = vectors[(ids - self._first).clamp(0, len(vectors) - 1)].to(output.dtype)
            return torch.where(ours[..., None], put, output)

        handles = [embedding.register_forward_pre_hook(before), embedding.register_forward_hook(after)]
        usual, self.network.tokenizer = self.network.tokenizer, self._tokenizer
        try:
            yield
        finally:
            self.network.tokenizer = usual
            for handle in handles:
                handle.remove()


class TaughtReader(TextReader):
    """A reader whose prompts may say learned words; all others it leaves to the reader that it was made from."""

    def __init__(self, reader: TextReader, words: Mapping[str, Tensor]) -> None:
        network: Callable[[], TeachableText] = lambda: cast(TeachableText, reader.network())  # noqa: E731
        super().__init__(reader.model, reader.revision + "+" + "+".join(sorted(words)),
                         lambda: Teacher(network(), words), *reader.placed)
        self._plain, self._words = reader, tuple(words)

    def release(self) -> None:
        super().release()
        self._plain.release()

    def __call__(self, prompts: Sequence[str]) -> TextEmbedding:
        rows = [super(TaughtReader, self).__call__([prompt]) if any(says(word, prompt) for word in self._words)
                else self._plain([prompt]) for prompt in prompts]
        return TextEmbedding.concatenate(rows)


def first_vectors(network: TeachableText, noun: str, count: int, generator: torch.Generator) -> Tensor:
    """(count, D) float32 to begin with: the mean of the noun's pieces (of "thing" without one), each a little moved."""
    table = network.embedding.weight.detach().float().cpu()
    mean = table[torch.tensor(network.pieces(noun or "thing"))].mean(0)
    spread = table.std() * 0.1
    return mean[None] + spread * torch.randn(count, table.shape[1], generator=generator)
