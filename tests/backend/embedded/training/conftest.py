# SPDX-License-Identifier: GPL-3.0-or-later
"""A source of objects small enough for unit tests, an encoder that needs no weights, and a shard folder of both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.embedded.training.dataset import ShardSettings, write_shard
from backend.embedded.training.sentences import TOKENS, WIDTH, Sentences

WORDS = ("red", "green", "blue")


class Beads:
    """Spheres of three colours beside the axis: an object is its colour and the azimuth at which its bead sits."""

    def sample(self, rng: np.random.Generator, split: str) -> tuple[int, float]:
        return int(rng.integers(3)), float(rng.uniform(-3, 3))

    def captions(self, thing: tuple[int, float], rng: np.random.Generator, count: int) -> list[str]:
        return [f"a {WORDS[thing[0]]} bead number {rng.integers(5)}" for _ in range(count)]

    def label(self, thing: tuple[int, float]) -> str:
        return WORDS[thing[0]]

    def render(self, things, azimuth, elevation, zoom, size, samples, device):
        y, x = np.mgrid[0:size, 0:size] / (size - 1) * 2 - 1
        albedo = np.zeros((len(things), size, size, 4), np.uint8)
        normals = np.zeros((len(things), size, size, 3), np.int8)
        for i, (colour, where) in enumerate(things):
            dx, dy = x - 0.5 * np.sin(where - azimuth[i]), y
            inside = dx**2 + dy**2 < 0.16 * (1 + 0.4 * np.cos(where - azimuth[i]))  # nearer is larger
            albedo[i, inside, colour], albedo[i, inside, 3] = 255, 255
            normals[i, inside, 2] = 127
        return albedo, normals


def fake_encode(captions: Sequence[str]) -> Sentences:
    """Random but fixed states a caption; lengths differ."""
    tokens = torch.zeros(len(captions), TOKENS, WIDTH)
    mask = torch.zeros(len(captions), TOKENS, dtype=torch.bool)
    for i, caption in enumerate(captions):
        length = 2 + len(caption) % 9
        generator = torch.Generator().manual_seed(sum(caption.encode()))
        tokens[i, :length] = torch.randn(length, WIDTH, generator=generator)
        mask[i, :length] = True
    return Sentences(tokens, mask, torch.nn.functional.normalize(tokens.sum(1), dim=-1) * 4.9)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two shards of eight beads in four views each, 16 px."""
    folder = tmp_path / "data"
    settings = ShardSettings(size=16, objects=8, views=4, captions=2, samples=1)
    for number in range(2):
        write_shard(folder, number, settings, Beads(), fake_encode, "cpu")
    return folder


@pytest.fixture
def empty() -> tuple[torch.Tensor, torch.Tensor]:
    states = fake_encode([""])
    return states.tokens, states.mask


@pytest.fixture
def beads() -> type[Beads]:
    return Beads


@pytest.fixture
def encode():
    return fake_encode
