# SPDX-License-Identifier: GPL-3.0-or-later
"""Captioned pictures of dressed people: what they show, where it is, and that they go through the training's door."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.avatar.dress import dress
from backend.avatar.look import Look, Worn
from backend.embedded.figures import Figures, FigureSample, captions, plain_caption, sample
from backend.embedded.figures.sampling import is_held_out
from backend.embedded.figures.source import framed, posed
from backend.embedded.training.dataset import ShardFolder, ShardSettings, write_shard
from backend.embedded.training.sentences import TOKENS, WIDTH, Sentences

RED = FigureSample(Look({"gender": 1.0}, worn=(Worn("dress", "red"), Worn("shoes", "black"))), "", "", (), False)


def views(count):
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False).astype(np.float32)
    return turn, np.full(count, 0.2, np.float32), np.ones(count, np.float32)


def test_pictures_agree_with_what_they_show():
    albedo, normals, places = Figures().render([RED] * 2, *views(2), 48, 2, "cpu")
    assert albedo.shape == (2, 48, 48, 4) and albedo.dtype == np.uint8
    assert normals.dtype == np.int8 and places.dtype == np.float16
    seen = albedo[..., 3] == 255
    assert 0.05 < seen.mean() < 0.6
    assert (albedo[..., 3] == 0).mean() > 0.3 and not albedo[albedo[..., 3] == 0].any()
    length = np.linalg.norm(normals[seen].astype(float) / 127, axis=1)
    assert np.allclose(length, 1, atol=0.02)
    assert (normals[seen][:, 2] > -30).mean() > 0.99  # they face the viewer
    reach = np.linalg.norm(places[seen].astype(float), axis=1)
    assert reach.max() < 0.91 and places[albedo[..., 3] == 0].any() == 0
    # Up in the picture is up in the frame, and from behind left is right.
    rows, columns = np.nonzero(seen[0])
    assert np.corrcoef(rows, places[0][seen[0]][:, 2].astype(float))[0, 1] < -0.99
    assert np.corrcoef(columns, places[0][seen[0]][:, 0].astype(float))[0, 1] > 0.99
    _, columns = np.nonzero(seen[1])
    assert np.corrcoef(columns, places[1][seen[1]][:, 0].astype(float))[0, 1] < -0.99
    low = (places[0][..., 2] < -0.1) & (places[0][..., 2] > -0.3) & seen[0]
    red = (albedo[0][..., 0] > 130) & (albedo[0][..., 1] < 80)
    assert red[low].mean() > 0.8


def test_a_close_figure_shows_the_head():
    close = FigureSample(RED.look, "", "", (), True)
    _, _, places = Figures().render([close], *views(1), 32, 1, "cpu")
    albedo, _, _ = Figures().render([close], *views(1), 32, 1, "cpu")
    middle = albedo[0, 12:20, 12:20]
    assert (middle[..., 3] == 255).all() and np.abs(places).max() < 2.5
    assert middle[..., 0].mean() > middle[..., 2].mean() + 20  # skin


def test_a_pose_moves_the_arms():
    posed = FigureSample(RED.look, "", "", (("LeftArm", (0.0, -0.9, 0.0)),), False)
    still, _, _ = Figures().render([RED], *views(1), 32, 1, "cpu")
    moved, _, _ = Figures().render([posed], *views(1), 32, 1, "cpu")
    assert (still[..., 3] != moved[..., 3]).mean() > 0.01


def test_captions_name_what_is_there():
    assert plain_caption(RED) == "a woman with dark brown short hair wearing a red dress and black shoes"
    rng = np.random.default_rng(0)
    said = captions(RED, rng, 20)
    assert len(set(said)) > 5 and all("woman" in one for one in said)
    assert sum("red dress" in one for one in said) == 20
    close = FigureSample(RED.look, "", "", (), True)
    assert all(any(word in one for word in ("face", "head", "portrait")) for one in captions(close, rng, 10))


def test_held_out_colours_are_never_trained():
    rng = np.random.default_rng(1)
    drawn = [sample(rng, "train") for _ in range(300)]
    assert not any(one.recoloured and is_held_out(one.calling, one.recoloured) for one in drawn)
    held = [sample(rng, "held_out") for _ in range(30)]
    assert all(one.recoloured for one in held)
    assert np.mean([is_held_out(one.calling, one.recoloured) for one in held]) > 0.6
    assert 0.1 < np.mean([one.close for one in drawn]) < 0.35


def test_the_same_numbers_draw_the_same_figure():
    one, two = (sample(np.random.default_rng(9)) for _ in range(2))
    assert one == two
    first, second = (Figures().render([one], *views(1), 32, 1, "cpu") for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, second, strict=True))


def encode(texts):
    mask = torch.zeros(len(texts), TOKENS, dtype=torch.bool)
    mask[:, :3] = True
    return Sentences(torch.zeros(len(texts), TOKENS, WIDTH), mask, torch.zeros(len(texts), WIDTH))


def test_a_shard_can_be_read_by_training(tmp_path):
    settings = ShardSettings(32, objects=2, views=2, captions=2, samples=1)
    folder = write_shard(tmp_path, 0, settings, Figures(), encode, "cpu")
    assert np.load(folder / "positions.npy").shape == (4, 32, 32, 3)
    shards = ShardFolder(tmp_path)
    batch = shards.draw(4, np.random.default_rng(0))
    assert batch.albedo.shape == (4, 32, 32, 4)
    assert shards.shards[0].caption(0)


@pytest.mark.parametrize("close", [False, True])
def test_frame_is_that_of_the_prior(close):
    one = FigureSample(RED.look, "", "", (), close)
    figure = dress(one.look)
    points = framed(figure, one, posed(figure, one)[0])
    if close:
        starts = np.cumsum([0, *(len(part.vertices) for part in figure.parts)])
        eyes = np.concatenate([points[a:b] for a, b, part in zip(starts, starts[1:], figure.parts, strict=False)
                               if part.name.endswith(" eye")])
        assert abs(eyes[:, 2].mean()) < 0.05 and 0.45 < points[:, 2].max() < 0.75
    else:
        assert np.linalg.norm(points, axis=1).max() == pytest.approx(0.9, abs=1e-5)
        assert np.allclose(points.max(0) + points.min(0), 0, atol=1e-5)
