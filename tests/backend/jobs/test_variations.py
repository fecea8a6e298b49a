# SPDX-License-Identifier: GPL-3.0-or-later
"""Several seeds as one job: each is the mesh of a job of its own, the bar and the row are shared, nothing is redone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.jobs import MeshResult, run
from backend.jobs.context import JobContext, TerminalContext
from backend.jobs.variations import GAP, variations
from protocol.errors import BadRequest, Cancelled
from protocol.specs import VariationsSpec, spec_from_map
from protocol.specs.base import MAX_SEED
from protocol.specs.variations import names_of

CACHE: dict[str, object] = {}


def made_up(spec: Any, context: JobContext) -> MeshResult:
    """Stands in for text to 3D where only the order of things is tested: a triangle that knows its seed."""
    context.progress("coarse", 0.5, "half", 4.0)
    vertices = np.eye(3, dtype=np.float32) * spec.seed
    context.preview_mesh(vertices, np.array([[0, 1, 2]], np.int32), np.zeros((3, 4), np.uint8))
    context.save_checkpoint({"seed": spec.seed, "step": torch.tensor(7)})
    context.check()
    context.warn("the same for all")
    return MeshResult({"vertices": vertices, "thumbnail": np.array([spec.seed % 256], np.uint8)},
                      {"seed": spec.seed, "stages": [{"name": "coarse", "seconds": 1.0}], "warnings": ["w"]})


def test_each_is_the_mesh_of_a_job_of_its_own(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    spec = VariationsSpec("a red mushroom", seed=3, effort=0.005, texture_size=64, count=2)
    both = run(spec, TerminalContext(tmp_path / "both", cache=CACHE))
    for index in range(2):
        alone = run(spec.one(index, 3), TerminalContext(tmp_path / str(index), cache=CACHE))
        names = names_of(index, list(both.arrays))
        assert set(names) == set(alone.arrays)
        for name, long_name in names.items():
            assert both.arrays[long_name].dtype == alone.arrays[name].dtype
            assert np.array_equal(both.arrays[long_name], alone.arrays[name]), name
        assert both.report["variations"][index]["seed"] == alone.report["seed"] == 3 + index
    assert not np.array_equal(both.arrays["v0_vertices"], both.arrays["v1_vertices"])


def test_bar_warnings_and_time_left_are_those_of_the_whole(tmp_path: Path) -> None:
    now = [0.0]
    context = TerminalContext(tmp_path, clock=lambda: now[0])
    variations(VariationsSpec("a mug", seed=5, count=4), context, made_up)
    assert [round(fraction, 3) for _, fraction in context.stages] == [0.125, 0.375, 0.625, 0.875, 1.0]
    assert context.warnings == ["the same for all"]


def test_the_time_left_counts_those_to_come(tmp_path: Path) -> None:
    said: list[float | None] = []

    class Listening(TerminalContext):
        def progress(self, stage: str, fraction: float, message: str = "", seconds_left: float | None = None) -> None:
            said.append(seconds_left)

    variations(VariationsSpec("a mug", seed=5, count=3), Listening(tmp_path, clock=lambda: 0.0), made_up)
    assert said == [12.0, 8.0, 4.0, 0.0]  # 4 s each, as each says of itself


def test_previews_stand_in_a_row(tmp_path: Path) -> None:
    context = TerminalContext(tmp_path)
    variations(VariationsSpec("a mug", seed=5, count=3, size_metres=2.0), context, made_up)
    vertices, faces, colours = context.meshes[-1]
    assert len(vertices) == len(colours) == 9 and faces.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    for index in range(3):
        moved = vertices[3 * index : 3 * index + 3] - np.eye(3) * (5 + index)
        assert np.allclose(moved, [(index - 1) * GAP * 2.0, 0, 0])


def test_a_killed_worker_loses_no_finished_variation(tmp_path: Path) -> None:
    spec = VariationsSpec("a mug", count=3)
    seeds: list[int] = []
    begun: list[dict[str, Any] | None] = []

    def dies_in_the_second(one: Any, context: JobContext) -> MeshResult:
        seeds.append(one.seed)
        begun.append(context.load_checkpoint())
        if len(seeds) == 2:
            context.save_checkpoint({"seed": one.seed, "step": torch.tensor(9)})
            raise KeyboardInterrupt
        return made_up(one, context)

    with pytest.raises(KeyboardInterrupt):
        variations(spec, TerminalContext(tmp_path), dies_in_the_second)
    whole = variations(spec, TerminalContext(tmp_path), dies_in_the_second)  # another attempt, as another process
    assert seeds == [seeds[0], seeds[0] + 1, seeds[0] + 1, seeds[0] + 2]
    assert begun[:2] == [None, None] and begun[3] is None
    assert begun[2] is not None and int(begun[2]["step"]) == 9
    for index in range(3):
        assert np.array_equal(whole.arrays[f"v{index}_vertices"], np.eye(3, dtype=np.float32) * (seeds[0] + index))
    assert [one["seed"] for one in whole.report["variations"]] == [seeds[0], seeds[0] + 1, seeds[0] + 2]


def test_it_stops_between_and_inside_variations(tmp_path: Path) -> None:
    context = TerminalContext(tmp_path, cancel_when=lambda one: len(one.stages) >= 2)
    with pytest.raises(Cancelled):
        variations(VariationsSpec("a mug", seed=1), context, made_up)
    assert len(context.stages) == 2


def test_what_is_refused_before_work_starts() -> None:
    for count in (1, 9, 2.5, True):
        with pytest.raises(BadRequest) as problem:
            VariationsSpec("a mug", count=count)
        assert problem.value.path == "count"
    with pytest.raises(BadRequest) as problem:
        VariationsSpec("a mug", seed=MAX_SEED, count=2)
    assert problem.value.path == "seed"
    spec = VariationsSpec("a mug", seed=7, count=3, size_metres=0.5)
    assert spec_from_map("variations", spec.to_map()) == spec
    assert spec.one(2, 7).to_map() == {**{k: v for k, v in spec.to_map().items() if k != "count"}, "seed": 9}
