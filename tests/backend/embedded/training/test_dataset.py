# SPDX-License-Identifier: GPL-3.0-or-later
"""Shards: what is written comes back, writers can be interrupted, views cover what they should."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.embedded.training.dataset import ShardFolder, ShardSettings, sample_views, write_shard, write_watch


def test_every_sample_comes_back_with_its_own_picture_view_and_caption(data: Path, encode) -> None:
    shards = ShardFolder(data)
    assert len(shards) == 64 and len(shards.shards) == 2
    batch = shards.gather(np.arange(64), np.full(64, 0.99))
    for i in range(64):
        shard, j = shards.shards[i // 32], i % 32
        caption = shard.caption(j, 1)
        label = json.loads(shard.notes_path.read_text())["labels"][shard.owner[j]]
        assert label in caption
        seen = encode([caption])
        assert torch.allclose(batch.tokens[i], seen.tokens[0], atol=5e-3)
        assert torch.equal(batch.mask[i], seen.mask[0])
        assert torch.allclose(batch.sentence[i], seen.vector[0], atol=5e-3)
        channel = ("red", "green", "blue").index(label)
        assert batch.albedo[i, ..., channel].max() == 255
        assert np.array_equal(batch.albedo[i].numpy(), shard.albedo[j])
        assert np.array_equal(batch.views[i].numpy(), shard.views[j])


def test_a_shard_depends_only_on_seed_split_and_number(tmp_path: Path, beads, encode) -> None:
    settings = ShardSettings(size=8, objects=3, views=2, samples=1)
    first = write_shard(tmp_path / "a", 5, settings, beads(), encode, "cpu")
    again = write_shard(tmp_path / "b", 5, settings, beads(), encode, "cpu")
    other = write_shard(tmp_path / "b", 6, settings, beads(), encode, "cpu")
    for name in ("albedo", "views", "tokens", "caption_rows"):
        assert np.array_equal(np.load(first / f"{name}.npy"), np.load(again / f"{name}.npy"))
    assert not np.array_equal(np.load(first / "views.npy"), np.load(other / "views.npy"))


def test_a_finished_shard_is_kept_and_a_partial_one_is_never_read(tmp_path: Path, beads, encode) -> None:
    settings = ShardSettings(size=8, objects=2, views=2, samples=1)

    class Broken(beads):
        def captions(self, thing, rng, count):
            raise OSError("no space left on device")

    with pytest.raises(OSError):
        write_shard(tmp_path, 0, settings, Broken(), encode, "cpu")
    assert len(ShardFolder(tmp_path)) == 0
    written = write_shard(tmp_path, 0, settings, beads(), encode, "cpu")
    before = (written / "albedo.npy").stat().st_mtime_ns
    write_shard(tmp_path, 0, settings, Broken(), encode, "cpu")
    assert (written / "albedo.npy").stat().st_mtime_ns == before


def test_rescan_adds_only_new_shards_and_a_checkpoint_pins_the_list(data: Path, beads, encode) -> None:
    shards = ShardFolder(data)
    write_shard(data, 2, ShardSettings(size=16, objects=4, views=4, captions=2, samples=1), beads(), encode, "cpu")
    pinned = ShardFolder(data, shards.names)
    assert pinned.names == ["shard-00000", "shard-00001"]
    shards.rescan()
    assert shards.names == ["shard-00000", "shard-00001", "shard-00002"] and len(shards) == 80


def test_views_cover_the_circle_evenly_and_stay_in_range() -> None:
    views = sample_views(np.random.default_rng(0), 500, 6, (0.9, 1.1))
    assert views.shape == (3000, 3) and views.dtype == np.float32
    counts, _ = np.histogram(views[:, 0], bins=8, range=(-np.pi, np.pi))
    assert counts.min() > 300 and counts.sum() == 3000
    degrees = np.degrees(views[:, 1])
    assert degrees.min() >= -15.01 and degrees.max() <= 60.01
    assert ((degrees > 10) & (degrees < 30)).mean() > 0.5
    gaps = np.diff(np.sort(views[:, 0].reshape(500, 6), axis=1), axis=1)
    assert gaps.max() <= 2 * np.pi / 3 + 1e-4  # neighbours of one object are at most two steps apart


def test_the_watch_folder_lies_at_even_azimuths(tmp_path: Path, beads, encode) -> None:
    folder = write_watch(tmp_path, ShardSettings(size=8, objects=4, views=12, captions=1, samples=1), beads(), encode,
                         "cpu")  # fmt: skip
    views = np.load(folder / "views.npy").reshape(4, 12, 3)
    assert np.allclose(np.degrees(views[:, :, 0]), np.arange(12) * 30)
    assert np.allclose(views[:, :, 2], 1)
