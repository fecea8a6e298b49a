# SPDX-License-Identifier: GPL-3.0-or-later
"""Control networks in training: what they are shown, how they begin, and that only they learn."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel

from backend.embedded.geometry import CHANNELS, CYCLES, SHIFTS, UNITS, averaged, geometry_channels
from backend.embedded.objects import evaluate, is_held_out
from backend.embedded.training import control
from backend.embedded.training.control import Controlled, ControlRecipe, build_control
from backend.embedded.training.dataset import ShardSettings, write_shard
from backend.embedded.training.diffusion import NetworkSize, build_network, predict
from backend.embedded.training.export import _save, replace_folder
from backend.embedded.training.geometry_data import GeometryFolder, PositionedShards, geometry_at
from backend.embedded.training.loop import LoopSettings, Trainer
from backend.embedded.training.patterned import Patterned
from backend.embedded.training.pixel_prior import PixelPrior, PixelSettings
from backend.priors.control import load_control

SIZE = 16
CPU = torch.device("cpu")


@pytest.fixture
def shards(tmp_path: Path, encode) -> Path:
    folder = tmp_path / "patterned"
    for number in range(2):
        write_shard(folder, number, ShardSettings(SIZE, 4, 3, 2, 1), Patterned(), encode, "cpu")
    return folder


@pytest.fixture
def prior(empty) -> PixelPrior:
    torch.manual_seed(0)
    made = PixelPrior(PixelSettings(size="tiny", lit_share=0.5), empty, CPU, pixels=SIZE)
    torch.nn.init.normal_(made.network.conv_out.weight, std=0.05)  # a fresh one's last layer is zero
    return made


def test_channels_by_the_formula() -> None:
    normals, place = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    coverage = torch.tensor([[[[1.0, 0.25], [0.0, 1.0]]]])
    normals[0, :, 0, 0] = torch.tensor([0.6, 0.0, 0.8])
    place[0, :, 0, 0] = torch.tensor([0.1, -0.5, 0.3])
    place[0, :, 1, 0] = 0.7  # off the object: not to be seen
    made = geometry_channels(normals, coverage, place)
    assert made.shape == (1, CHANNELS, 2, 2) and not made[0, :, 1, 0].any()
    here = made[0, :, 0, 0].tolist()
    expected = [0.6, 0.0, 0.8, 1.0, 0.1, -0.5, 0.3]
    for cycles in CYCLES:
        turns = [2 * math.pi * UNITS * cycles * x for x in (0.1, -0.5, 0.3)]
        expected += [math.sin(t) for t in turns] + [math.cos(t) for t in turns]
    for cycles, shifts in zip(CYCLES, SHIFTS, strict=True):
        turns = [2 * math.pi * (UNITS * cycles * x + s) for x, s in zip((0.1, -0.5, 0.3), shifts, strict=True)]
        x, y, z = (math.cos(t) for t in turns)
        expected += [math.prod(math.sin(t) for t in turns), (x * y + y * z + z * x) / 3]
    assert here == pytest.approx(expected, abs=1e-5)
    assert made[0, 3, 0, 1] == 0.25
    small = averaged(normals, coverage, place, 2)
    assert small[1].item() == pytest.approx(2.25 / 4)
    # Means over what is covered: places of the first pixel (whole), the second (a quarter) and the last (whole).
    assert small[2][0, :, 0, 0].tolist() == pytest.approx([0.1 / 2.25, -0.5 / 2.25, 0.3 / 2.25])
    assert small[0][0, :, 0, 0].tolist() == pytest.approx([0.6, 0.0, 0.8])


def test_patterned_objects_keep_the_held_out_out_and_lie_where_they_say() -> None:
    source, rng = Patterned(), np.random.default_rng(5)
    things = [source.sample(rng, "train") for _ in range(60)]
    assert not any(is_held_out(thing.recipe) for thing in things)
    assert is_held_out(source.sample(rng, "held_out").recipe)
    shares = [sum(thing.kind == "object" for thing in things), sum(thing.pattern != "plain" for thing in things)]
    assert 20 < shares[0] < 40 and shares[1] > 35
    albedo, normals, positions = source.render(things[:3], *(np.array(v, np.float32) for v in (
        (0.1, 1.0, 4.0), (0.2, 0.3, 0.1), (1.0, 0.9, 1.1))), 32, 1, "cpu")
    assert normals.shape == positions.shape == (3, 32, 32, 3)
    for thing, picture, places in zip(things, albedo, positions, strict=False):
        hit = picture[..., 3] == 255
        distance, _ = evaluate(thing, places[hit].astype(np.float32))
        assert np.abs(distance).max() < 0.02 and not places[picture[..., 3] == 0].any()


def test_folders_are_drawn_from_by_share_and_reopened(shards: Path, tmp_path: Path, encode, data: Path) -> None:
    other = tmp_path / "other"
    both = GeometryFolder([PositionedShards(shards), PositionedShards(other)], [0.5, 0.5])
    rng = np.random.default_rng(0)
    assert both.draw(6, rng).geometry.shape == (6, CHANNELS, SIZE, SIZE)  # all from the one that holds any
    write_shard(other, 7, ShardSettings(SIZE, 2, 1, 1, 1), Patterned(), encode, "cpu")
    before = both.names
    both.rescan()
    assert both.names == [*before, "1/shard-00007"] and len(both) == 26
    assert both.reopen(before).names == before
    first, second = both.draw(8, np.random.default_rng(3)), both.draw(8, np.random.default_rng(3))
    assert torch.equal(first.geometry, second.geometry) and torch.equal(first.batch.albedo, second.batch.albedo)
    # The geometry is that of the very pictures that it stands beside.
    coverage = first.batch.albedo[..., 3].float() / 255
    torch.testing.assert_close(first.geometry[:, 3], coverage)
    assert not len(PositionedShards(data))  # shards without positions are left out
    one = PositionedShards(shards)
    stored = torch.from_numpy(one.shards[0].albedo[5, ..., 3] / np.float32(255))
    assert torch.equal(geometry_at(1, [one.place(5)])[0, 3], stored)


def test_it_begins_without_a_say_and_only_it_learns(shards: Path, prior: PixelPrior, tmp_path: Path) -> None:
    network = build_control(prior.network)
    assert torch.equal(network.conv_in.weight, prior.network.conv_in.weight)
    folder = GeometryFolder([PositionedShards(shards)], [1.0])
    seen = folder.draw(4, np.random.default_rng(1))
    clean, condition = prior.examples(seen.batch, torch.Generator().manual_seed(0))
    t = torch.tensor([100, 400, 700, 990])
    with torch.no_grad():
        plain = predict(prior.network, clean, t, condition)
        unsaid = predict(Controlled(prior.network, network, seen.geometry), clean, t, condition)
    torch.testing.assert_close(unsaid, plain)
    before = {name: value.clone() for name, value in prior.network.state_dict().items()}
    trainer = Trainer(ControlRecipe(prior, network), folder, tmp_path / "run", LoopSettings(batch=4, warmup=1), CPU)
    trainer.run(steps=3)
    assert all(torch.equal(value, before[name]) for name, value in prior.network.state_dict().items())
    with torch.no_grad():
        told = predict(Controlled(prior.network, network, seen.geometry), clean, t, condition)
        twice = predict(Controlled(prior.network, network, seen.geometry[:2]), clean[:2].repeat(2, 1, 1, 1),
                        t[:2].repeat(2), type(condition)(*(getattr(condition, f)[:2].repeat(2, *[1] * (n - 1))
                                                           for f, n in (("labels", 2), ("tokens", 3), ("mask", 2)))))
    assert (told - plain).abs().max() > 1e-4
    torch.testing.assert_close(twice[:2], twice[2:])
    again = Trainer(ControlRecipe(prior, build_control(prior.network)), folder, tmp_path / "run",
                    LoopSettings(batch=4, warmup=1), CPU)  # fmt: skip
    assert again.step == 3 and again.shards.names == folder.names


def test_a_narrower_embedding_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """ControlNetModel has 4 x 16 = 64 numbers where this UNet has 96."""
    monkeypatch.setattr(control, "FIT_STEPS", 150)
    torch.manual_seed(1)
    unet = build_network(NetworkSize((16, 32), 1, (False, True), 96), 4, 8, SIZE)
    made = control.control_like(unet.config)
    untaught = control.fit_embedding.__globals__["_time_projections"](made)[0].weight.clone()
    assert control.fit_embedding(made, unet) < 0.5
    assert not torch.equal(control.fit_embedding.__globals__["_time_projections"](made)[0].weight, untaught)


def test_a_latent_one_may_begin_as_a_pixel_one(shards: Path, prior: PixelPrior, tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_control(prior.network)
    Trainer(ControlRecipe(prior, network), GeometryFolder([PositionedShards(shards)], [1.0]), tmp_path / "run",
            LoopSettings(batch=2, warmup=1), CPU).run(steps=1)
    torch.manual_seed(2)
    latent = build_network(NetworkSize((16, 32), 1, (False, True), 64), 8, 8, SIZE)
    prior.network, prior.name = latent, "latent"
    begun = control.begin(prior, tmp_path / "run" / "checkpoint.pt")
    assert begun.conv_in.weight.shape[1] == 8
    last = "controlnet_mid_block.weight"
    averaged = control.averaged_weights(tmp_path / "run" / "checkpoint.pt")
    assert torch.equal(begun.state_dict()[last], averaged[last])
    assert torch.equal(begun.conv_in.weight[:, :4], averaged["conv_in.weight"])


def test_an_exported_one_is_what_priors_read(prior: PixelPrior, tmp_path: Path) -> None:
    network = build_control(prior.network)
    replace_folder(tmp_path / "controlnet", lambda folder: _save(network.half(), folder, "a card\n"))
    assert isinstance(ControlNetModel.from_pretrained(tmp_path / "controlnet"), ControlNetModel)
    assert (tmp_path / "controlnet" / "README.md").read_text() == "a card\n"
    loaded = load_control(tmp_path / "controlnet", prior.network, CPU, torch.float32)
    assert loaded.shows == "geometry"
