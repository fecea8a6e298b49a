# SPDX-License-Identifier: GPL-3.0-or-later
"""Training on a stock of coloured squares: it learns, resumes bit for bit, and refuses another run's checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from backend.embedded.scorer import Scorer
from backend.embedded.scorer.network import PICTURE_SIZE
from backend.embedded.scorer.scorer import save
from backend.embedded.scorer.stock import Stock
from backend.embedded.scorer.train import TrainSettings, learning_rate, train
from protocol.errors import PriorNotFound

torch.set_num_threads(1)
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 60, 220)}
KINDS = ("slab", "post")
SETTINGS = TrainSettings(steps=60, shelf=96, fresh=24, batch=24, warmup=5, others=4, save_every=20, learning_rate=3e-3)
PROMPTS = [f"a {colour} {kind}" for kind in KINDS for colour in COLOURS]


def encode(sentences: Sequence[str]) -> Tensor:
    """A fixed random direction for each word, summed: a stand-in for the sentence encoder."""
    rows = []
    for sentence in sentences:
        row = torch.zeros(384)
        for word in sentence.split():
            row += torch.randn(384, generator=torch.Generator().manual_seed(sum(map(ord, word)) * 7 + len(word)))
        rows.append(row / row.norm() * 384**0.5 / 4.0)
    return torch.stack(rows)


def square(kind: str, colour: str) -> Tensor:
    picture = torch.zeros(PICTURE_SIZE, PICTURE_SIZE, 4, dtype=torch.uint8)
    rows, columns = (slice(12, 20), slice(4, 28)) if kind == "slab" else (slice(4, 28), slice(12, 20))
    picture[rows, columns] = torch.tensor([*COLOURS[colour], 255], dtype=torch.uint8)
    return picture


@pytest.fixture(scope="module")
def stock() -> Stock:
    albedo = torch.stack([square(kind, colour) for kind in KINDS for colour in COLOURS])
    normals = torch.zeros(6, PICTURE_SIZE, PICTURE_SIZE, 3, dtype=torch.int8)
    normals[..., 2] = 127
    labels = torch.tensor([[kind, colour, 0] for kind in range(2) for colour in range(3)])
    names = {"kind": list(KINDS), "colour": list(COLOURS), "pattern": ["plain"]}
    return Stock(
        albedo, normals, torch.arange(6), torch.arange(6)[:, None], encode(PROMPTS), torch.arange(6), labels, names
    )


@pytest.fixture(scope="module")
def trained(stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scorer")
    save(train(stock, folder / "run", SETTINGS), folder / "weights", {"about": "squares"})
    return folder / "weights"


def plain_views(views: int = 2) -> Tensor:
    """(6, views, S, S, 3): the squares over greys that they were not trained with in this combination."""
    stack = torch.stack([square(kind, colour) for kind in KINDS for colour in COLOURS]).float() / 255.0
    grounds = torch.linspace(0.3, 0.8, views)[None, :, None, None, None]
    return stack[:, None, ..., :3] * stack[:, None, ..., 3:] + grounds * (1.0 - stack[:, None, ..., 3:])


def test_objects_find_their_prompts_and_are_read(trained: Path):
    scorer = Scorer.load(folder=trained, encode=encode)
    found = scorer.r_precision(plain_views(), PROMPTS)
    assert found.share == 1.0 and found.ranks == (1,) * 6 and found.nearest == tuple(range(6))
    readings = [scorer.read_kind_colour(views, together=True)[0] for views in plain_views()]
    assert [(r.colour, r.kind) for r in readings] == [(c, k) for k in KINDS for c in COLOURS]
    assert sum(share for _, share in readings[0].colours) == pytest.approx(1.0, abs=1e-4)


def test_similarity_is_a_cosine_for_every_pair_and_any_picture_size(trained: Path):
    scorer = Scorer.load(folder=trained, encode=encode)
    larger = plain_views(1)[:, 0].repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    scores = scorer.similarity(larger, PROMPTS[:4])
    assert scores.shape == (6, 4) and scores.abs().max() <= 1.0 + 1e-5
    torch.testing.assert_close(scores, scorer.similarity(plain_views(1)[:, 0], PROMPTS[:4]), atol=1e-5, rtol=1e-4)


def test_a_swapped_pair_is_ranked_second(trained: Path):
    scorer = Scorer.load(folder=trained, encode=encode)
    swapped = [PROMPTS[1], PROMPTS[0], *PROMPTS[2:]]
    found = scorer.r_precision(plain_views(), swapped)
    assert found.share == pytest.approx(4 / 6) and min(found.ranks[:2]) > 1 and found.nearest[:2] == (1, 0)


def test_a_stopped_run_ends_with_the_same_weights(stock: Stock, tmp_path: Path):
    settings = TrainSettings(steps=8, shelf=16, fresh=5, batch=6, warmup=2, others=2, save_every=3)
    whole = train(stock, tmp_path / "whole", settings)
    train(stock, tmp_path / "parts", settings, stop_at=5)
    parts = train(stock, tmp_path / "parts", settings)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name


def test_a_checkpoint_of_other_settings_is_refused(stock: Stock, tmp_path: Path):
    train(stock, tmp_path, TrainSettings(steps=2, shelf=8, fresh=2, batch=4, warmup=1, others=0, save_every=1))
    with pytest.raises(ValueError, match="other settings"):
        train(stock, tmp_path, TrainSettings(steps=3, shelf=8, fresh=2, batch=4, warmup=1, others=0, save_every=1))


def test_the_learning_rate_rises_and_falls_to_nothing():
    rates = [learning_rate(step, SETTINGS) for step in range(SETTINGS.steps + 1)]
    assert rates[0] < rates[4] == SETTINGS.learning_rate and rates[-1] == pytest.approx(0.0, abs=1e-12)
    assert all(a >= b for a, b in zip(rates[5:], rates[6:], strict=False))


def test_a_stock_survives_the_disk(stock: Stock, tmp_path: Path):
    stock.save(tmp_path / "stock.pt")
    again = Stock.load(tmp_path / "stock.pt")
    assert again.names == stock.names and torch.equal(again.albedo, stock.albedo)


@pytest.mark.parametrize("damage", ["absent", "truncated", "half"])
def test_damaged_weights_say_what_to_do(trained: Path, tmp_path: Path, damage: str):
    if damage != "absent":
        for file in trained.iterdir():
            content = file.read_bytes()
            (tmp_path / file.name).write_bytes(
                content[: len(content) // 2] if file.suffix == ".safetensors" else content
            )
    if damage == "half":
        from safetensors.torch import load_file, save_file

        weights = load_file(trained / "scorer.safetensors")
        save_file(dict(list(weights.items())[::2]), tmp_path / "scorer.safetensors")
    with pytest.raises(PriorNotFound, match="cannot be read") as caught:
        Scorer.load(folder=tmp_path, encode=encode)
    assert "backend.embedded.scorer train" in caught.value.hint


def test_equal_prompts_and_wrong_shapes_are_refused(trained: Path):
    scorer = Scorer.load(folder=trained, encode=encode)
    with pytest.raises(ValueError, match="different"):
        scorer.r_precision(plain_views(), [PROMPTS[0]] * 6)
    with pytest.raises(ValueError, match="6 prompts|prompts, got"):
        scorer.r_precision(plain_views()[:3], PROMPTS)
    with pytest.raises(ValueError, match="N, H, W, 3"):
        scorer.similarity(torch.zeros(2, 8, 8, 4), PROMPTS)
