# SPDX-License-Identifier: GPL-3.0-or-later
"""The painting prior in training: pieces are what they were cut from, both networks learn, a run ships as a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.embedded.geometry import CHANNELS
from backend.embedded.training.control import build_control
from backend.embedded.training.crops import LARGEST, SIDE, Crops, cut, piece
from backend.embedded.training.dataset import ShardSettings, write_shard
from backend.embedded.training.diffusion import NetworkSize, build_network
from backend.embedded.training.export import export_painter
from backend.embedded.training.geometry_data import PositionedShards
from backend.embedded.training.loop import LoopSettings, Trainer
from backend.embedded.training.painter import Painter, PainterSettings, Pair, painter
from backend.embedded.training.patterned import Patterned
from backend.embedded.training.pixel_prior import PixelPrior
from backend.priors import embedded

CPU = torch.device("cpu")


@pytest.fixture
def large(tmp_path: Path, encode) -> Path:
    folder = tmp_path / "large"
    write_shard(folder, 0, ShardSettings(LARGEST, 3, 2, 2, 1, (0.6, 1.0)), Patterned(), encode, "cpu")
    return folder


@pytest.fixture
def recipe(empty) -> Painter:
    torch.manual_seed(0)
    unet = build_network(NetworkSize((16, 32), 1, (False, True), 64), 4, 8, SIDE)
    torch.nn.init.normal_(unet.conv_out.weight, std=0.05)  # a fresh one's last layer is zero
    prior = PixelPrior(PainterSettings(size="tiny"), empty, CPU, pixels=SIDE)
    return Painter(prior, Pair(unet, build_control(unet, fit=False)))


@pytest.mark.parametrize(("factor", "left", "top"), [(1, 40, 71), (2, 30, 20), (4, 0, 0)])
def test_a_piece_is_the_mean_of_what_it_was_cut_from(large: Path, factor: int, left: int, top: int) -> None:
    shard = PositionedShards(large).shards[0]
    side = SIDE * factor
    whole = shard.albedo[0].astype(np.float64)[top : top + side, left : left + side] / 255
    flat = np.concatenate([whole[..., :3] * whole[..., 3:], whole[..., 3:]], -1)
    expected = flat.reshape(SIDE, factor, SIDE, factor, 4).mean((1, 3))
    albedo, normals, geometry = piece(shard, 0, factor, left, top)
    made = albedo[0].double().numpy() / 255
    assert np.abs(made[..., 3] - expected[..., 3]).max() <= 0.5 / 255 + 1e-6
    assert np.abs(made[..., :3] * made[..., 3:] - expected[..., :3]).max() <= 1.5 / 255
    torch.testing.assert_close(geometry[0, 3], torch.from_numpy(expected[..., 3]).float(), atol=1e-5, rtol=0)
    lengths = normals.float().norm(dim=-1)[albedo[..., 3] > 0]
    assert bool(((lengths > 124) & (lengths < 130)).all())


def test_pieces_show_something_of_the_object_at_every_scale(large: Path) -> None:
    shard = PositionedShards(large).shards[0]
    places = []
    for seed in range(24):
        albedo, _, geometry = cut(shard, 1, np.random.default_rng(seed))
        assert albedo.shape == (1, SIDE, SIDE, 4) and geometry.shape == (1, CHANNELS, SIDE, SIDE)
        assert bool((albedo[..., 3] > 0).any())
        there = geometry[0, 3] > 0.99
        if int(there.sum()) > 20:
            places.append(float(geometry[0, 4:7][:, there].std(1).norm()))  # how wide a part of the object it shows
    assert max(places) > 2.5 * min(places)


def test_pieces_of_several_sizes_come_in_one_batch(large: Path, tmp_path: Path, encode) -> None:
    small = tmp_path / "small"
    write_shard(small, 0, ShardSettings(SIDE, 4, 2, 2, 1), Patterned(), encode, "cpu")
    crops = Crops.of([(small, 0.5), (large, 0.5)])
    assert len(crops) == 14
    seen = crops.draw(9, np.random.default_rng(0))
    assert seen.batch.albedo.shape == (9, SIDE, SIDE, 4) and seen.geometry.shape == (9, CHANNELS, SIDE, SIDE)
    again = crops.reopen(crops.names).draw(9, np.random.default_rng(0))
    torch.testing.assert_close(again.geometry, seen.geometry, rtol=0, atol=0)
    with pytest.raises(ValueError, match="share above 0"):
        Crops.of([(small, 0.0)])


def test_both_networks_learn(recipe: Painter, large: Path, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in recipe.network.state_dict().items()}
    trainer = Trainer(recipe, Crops.of([(large, 1.0)]), tmp_path / "run", LoopSettings(batch=2, warmup=1), CPU)
    trainer.run(steps=3)
    after = recipe.network.state_dict()
    moved = {name.split(".")[0] for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved == {"unet", "control"}
    shown = recipe.network.control.controlnet_cond_embedding.conv_in.weight
    assert not torch.equal(before["control.controlnet_cond_embedding.conv_in.weight"], shown)


def test_a_run_ships_as_a_prior_that_paints(tmp_path: Path, large: Path) -> None:
    recipe = painter(embedded.WEIGHTS_FOLDER / "pixel", CPU, None, None)
    run = tmp_path / "run"
    Trainer(recipe, Crops.of([(large, 1.0)]), run, LoopSettings(batch=2), CPU).save()
    export_painter(run, large, tmp_path / "painter", "small", "a test")
    prior = embedded.load(tmp_path / "painter")
    assert prior.paints and prior.traits.name == "embedded painter" and prior.control is not None
    assert prior.traits.resolution == LARGEST
    small = prior.at(64)
    assert small.traits.latent_shape == (4, 64, 64) and small.unet is prior.unet and prior.traits.resolution == LARGEST
    assert small.encode(torch.rand(1, 4, 20, 20)).shape == (1, 4, 64, 64)
