# SPDX-License-Identifier: GPL-3.0-or-later
"""Text encoders are asked once a prompt, and may leave in between."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from backend.priors.base import TextEmbedding
from backend.priors.text import EmbeddingCache, TextReader


class Counting:
    """A text encoder that counts, and whose answers are batch-dependent as real ones are in their last bits."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, prompts: Sequence[str]) -> TextEmbedding:
        self.asked += prompts
        rows = torch.tensor([[[float(len(prompt))]] for prompt in prompts])
        return TextEmbedding(rows + len(prompts) * 1e-3, torch.ones(len(prompts), 1), None)


def reader(network: Counting, cache: EmbeddingCache | None = None, revision: str = "1",
           dtype: torch.dtype = torch.float32) -> TextReader:
    return TextReader("counting", revision, lambda: network, torch.device("cpu"), dtype, cache)


def test_every_prompt_is_read_once() -> None:
    network = Counting()
    read = reader(network)
    assert not read.is_loaded
    first = read(["a", "bb", "a"])
    again = read(["bb", "ccc"])
    assert network.asked == ["a", "bb", "ccc"]
    assert first.tokens[0, 0, 0] == first.tokens[2, 0, 0]
    assert torch.equal(first.tokens[1], again.tokens[0])


def test_an_embedding_does_not_depend_on_its_neighbours() -> None:
    alone, together = reader(Counting())(["bb"]), reader(Counting())(["a", "bb", "ccc"])
    assert torch.equal(alone.tokens[0], together.tokens[1])


def test_release_and_return() -> None:
    network = Counting()
    read = reader(network)
    read(["a"])
    read.release()
    assert not read.is_loaded
    read(["a"])
    assert read.loads == 1
    read(["b"])
    assert read.loads == 2


def test_revisions_do_not_share() -> None:
    cache, network = EmbeddingCache(), Counting()
    reader(network, cache, "1")(["a"])
    reader(network, cache, "2")(["a"])
    reader(network, cache, "2")(["a"])
    assert network.asked == ["a", "a"]


def test_cache_forgets_the_oldest() -> None:
    network = Counting()
    read = reader(network, EmbeddingCache(capacity=2))
    read(["a"])
    read(["b"])
    read(["a"])
    read(["c"])
    network.asked.clear()
    read(["a"])
    assert network.asked == []
    read(["b"])
    assert network.asked == ["b"]
    with pytest.raises(ValueError, match="capacity"):
        EmbeddingCache(0)


def test_result_may_enter_a_backward_pass() -> None:
    row = reader(Counting())(["a"])
    assert not row.tokens.is_inference()
    weight = torch.ones(1, requires_grad=True)
    (row.tokens * weight).sum().backward()
    assert weight.grad is not None


def test_dtype_and_empty_batch() -> None:
    read = reader(Counting(), dtype=torch.bfloat16)
    assert read(["a"]).tokens.dtype == torch.bfloat16
    with pytest.raises(ValueError, match="no prompt"):
        read([])


def test_embedding_rows() -> None:
    rows = reader(Counting())(["a", "bb", "ccc"])
    assert len(rows) == 3 and rows[[2, 2]].tokens[:, 0, 0].tolist() == rows.tokens[[2, 2], 0, 0].tolist()
    assert len(rows[:1].expand(4)) == 4
    with pytest.raises(ValueError, match="3 texts"):
        rows.expand(4)
