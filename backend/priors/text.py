# SPDX-License-Identifier: GPL-3.0-or-later
"""Text encoders that are used rarely and remembered well.

Reading a prompt takes a network that may be larger than the image model itself (T5-XXL: 4.7 billion parameters), and a
job reads five to ten prompts in all. So every encoder stands behind a `TextReader`, which loads it at the first prompt
that isn't known yet, remembers embeddings by model, revision and prompt, and lets the network go when told.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import nn

from backend.priors.base import TextEmbedding


class TextNetwork(Protocol):
    """A loaded text encoder: B prompts to B rows, without a gradient."""

    def __call__(self, prompts: Sequence[str]) -> TextEmbedding: ...


class TeachableText(TextNetwork, Protocol):
    """A text encoder that can be given new words (`backend.identity.words`).

    Attributes:
        tokenizer: what it breaks prompts with; another one may be put in its place for a while.
        embedding: its table of word vectors.
    """

    tokenizer: Any

    @property
    def embedding(self) -> nn.Embedding: ...

    def pieces(self, text: str) -> list[int]:
        """The ids of a text's pieces, without marks of beginning and end."""

    def extended(self, marks: Sequence[str]) -> tuple[Any, int]:
        """(a copy of the tokenizer that reads each of these marks as one piece, the id of the first of them); the
        others follow in order."""


class EmbeddingCache:
    """Embeddings by (model, revision, prompt), the least recently used forgotten first.

    Args:
        capacity: prompts; one of Stable Diffusion's is 237 kB, one of T5-XXL's 1.3 MB in float32.
    """

    def __init__(self, capacity: int = 256) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self._capacity = capacity
        self._rows: OrderedDict[tuple[str, str, str], TextEmbedding] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: tuple[str, str, str]) -> TextEmbedding | None:
        if key in self._rows:
            self._rows.move_to_end(key)
        return self._rows.get(key)

    def put(self, key: tuple[str, str, str], row: TextEmbedding) -> None:
        self._rows[key] = row
        self._rows.move_to_end(key)
        while len(self._rows) > self._capacity:
            self._rows.popitem(last=False)


class TextReader:
    """Prompts to embeddings, with the network behind it loaded on demand.

    Args:
        model: name of the text encoder, and
        revision: of its weights; both belong to the cache key.
        load: makes the network; called again if a new prompt comes after `release`.
        device, dtype: of the embeddings handed out; the cache itself stays in float32 on the CPU.
        cache: shared between readers if given.

    Attributes:
        reads_on: device that the network is put on when it is loaded the next time; `load` looks here.
    """

    def __init__(
        self,
        model: str,
        revision: str,
        load: Callable[[], TextNetwork],
        device: torch.device,
        dtype: torch.dtype,
        cache: EmbeddingCache | None = None,
    ) -> None:
        self.model = model
        self.revision = revision
        self.loads = 0
        self._load = load
        self._device = self.reads_on = device
        self._dtype = dtype
        self._network: TextNetwork | None = None
        self._cache = EmbeddingCache() if cache is None else cache

    @property
    def is_loaded(self) -> bool:
        return self._network is not None

    @property
    def placed(self) -> tuple[torch.device, torch.dtype]:
        """Device and precision of the embeddings handed out."""
        return self._device, self._dtype

    def network(self) -> TextNetwork:
        """The network itself, loaded if need be."""
        if self._network is None:
            self._network = self._load()
            self.loads += 1
        return self._network

    def move(self, device: torch.device) -> None:
        """Prompts are read on another device from now on."""
        if device != self.reads_on:
            self.release()
            self.reads_on = device

    def release(self) -> None:
        """Frees the network; what was read stays known."""
        self._network = None

    def __call__(self, prompts: Sequence[str]) -> TextEmbedding:
        """One row a prompt, B in and B out. Raises ValueError for an empty batch."""
        if not prompts:
            raise ValueError("there is no prompt to embed")
        keys = [(self.model, self.revision, prompt) for prompt in prompts]
        batch = TextEmbedding.concatenate([self._row(key) for key in keys])
        return batch.to(self._device, self._dtype)

    def _row(self, key: tuple[str, str, str]) -> TextEmbedding:
        row = self._cache.get(key)
        if row is None:
            network = self.network()
            # One at a time: in a batch the last bits depend on the other prompts, and then the same job would give
            # another mesh in a process that has read other prompts before.
            with torch.inference_mode():
                row = _ordinary_copy(network([key[2]]))
            self._cache.put(key, row)
        return row


def _ordinary_copy(row: TextEmbedding) -> TextEmbedding:
    """Float32 on the CPU, owning its memory, usable outside inference mode."""
    def copy(part: torch.Tensor | None) -> torch.Tensor | None:
        return None if part is None else torch.empty(part.shape, dtype=torch.float32).copy_(part)
    return TextEmbedding(copy(row.tokens), copy(row.mask), copy(row.pooled))
