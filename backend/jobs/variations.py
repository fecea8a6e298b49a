# SPDX-License-Identifier: GPL-3.0-or-later
"""Several seeds of one prompt as one job: text to 3D over and over, with the prior loaded and the prompt read once.

Each variation is the very mesh that a job of its own would make. What is done is part of the job's checkpoint, so a
killed worker loses no finished variation, and the previews stand in a row where the results will.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from backend.jobs.context import JobContext
from backend.jobs.results import MeshResult, versions
from backend.jobs.text_to_3d import text_to_3d
from protocol.motion import Motion
from protocol.specs.variations import PREFIX, VariationsSpec

GAP = 1.25
"""From the middle of one variation to that of the next, in their largest dimension."""

Make = Callable[[Any, JobContext], MeshResult]


def variations(spec: VariationsSpec, context: JobContext, make: Make = text_to_3d) -> MeshResult:
    """The whole recipe. Goes on from the job's checkpoint if there is one. `make` does a single one."""
    saved = context.load_checkpoint() or {}
    seed = saved.get("seed", spec.seed if spec.seed is not None else secrets.randbelow(2**31))
    seed = context.ranks.number_of_first(seed, context.device)
    done = [_result_of(one) for one in saved.get("done", [])]
    row = _Row(spec)
    for index in range(spec.count):
        if index < len(done):
            continue
        now = saved.get("now") if index == len(saved.get("done", [])) else None
        kept = {"seed": seed, "done": [_state_of(one) for one in done]}
        if context.ranks.first and done and now is None:
            context.save_checkpoint(kept)
        done.append(make(spec.one(index, seed), _Part(context, spec.count, index, row, kept, now)))
    if not context.ranks.first:
        return MeshResult({}, {})  # the first has it all
    arrays = {PREFIX.format(index=index) + name: array
              for index, one in enumerate(done) for name, array in one.arrays.items()}
    # A job has one picture in lists; it is that of the first.
    if "thumbnail" in done[0].arrays:
        arrays["thumbnail"] = done[0].arrays["thumbnail"]
    context.progress("done", 1.0, "finished", 0.0)
    report = {
        "prompt": spec.prompt,
        "negative_prompt": spec.negative_prompt,
        "seed": seed,
        "preset": spec.preset,
        "prior": done[0].report.get("prior", ""),
        "effort": spec.effort,
        "count": spec.count,
        "row_metres": GAP * spec.size_metres,
        "versions": versions(),
        "stages": [stage for one in done for stage in one.report.get("stages", ())],
        "variations": [one.report for one in done],
        "warnings": list(dict.fromkeys(text for one in done for text in one.report.get("warnings", ()))),
    }
    return MeshResult(arrays, report)


class _Row:
    """The previews of all variations so far, side by side along X."""

    def __init__(self, spec: VariationsSpec) -> None:
        self._step, self._count = GAP * spec.size_metres, spec.count
        self._latest: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def with_one(
        self, index: int, vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All of them as one mesh, after variation `index` looks like this."""
        offset = np.array([(index - (self._count - 1) / 2) * self._step, 0.0, 0.0], np.float32)
        self._latest[index] = (vertices + offset, faces, colours)
        parts = [self._latest[key] for key in sorted(self._latest)]
        starts = np.cumsum([0, *(len(part[0]) for part in parts[:-1])])
        joined = [part[1] + start for part, start in zip(parts, starts, strict=True)]
        return (np.concatenate([part[0] for part in parts]), np.concatenate(joined).astype(np.int32),
                np.concatenate([part[2] for part in parts]))


class _Part(JobContext):
    """What the recipe of one variation sees of the job: its share of the bar, its place in the row, its checkpoint."""

    def __init__(
        self, whole: JobContext, count: int, index: int, row: _Row, before: dict[str, Any],
        now: dict[str, Any] | None,
    ) -> None:
        self._whole, self._count, self._index, self._row = whole, count, index, row
        self._before, self._now = before, now
        self._began = whole.clock()
        self.device, self.folder, self.cache, self.clock = whole.device, whole.folder, whole.cache, whole.clock
        self.inputs, self.ranks, self.memory_share = whole.inputs, whole.ranks, whole.memory_share

    def progress(self, stage: str, fraction: float, message: str = "", seconds_left: float | None = None) -> None:
        left = None
        if seconds_left is not None:
            # Those to come take as long as this one is thought to take.
            one = self.clock() - self._began + seconds_left
            left = seconds_left + one * (self._count - 1 - self._index)
        said = f"{self._index + 1} of {self._count}: {message or stage}"
        self._whole.progress(stage, min((self._index + fraction) / self._count, 1.0), said, left)

    def preview_mesh(self, vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray) -> None:
        self._whole.preview_mesh(*self._row.with_one(self._index, vertices, faces, colours))

    def preview_image(self, image: np.ndarray) -> None:
        self._whole.preview_image(image)

    def preview_motion(self, motion: Motion, whole: int) -> None:
        self._whole.preview_motion(motion, whole)

    def check(self) -> None:
        self._whole.check()

    def warn(self, text: str) -> None:
        if self._index == 0:  # the prompt and the prior are the same for all, and so is what there is to say
            self._whole.warn(text)

    @property
    def checkpoint_wanted(self) -> bool:
        return self._whole.checkpoint_wanted

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        self._whole.save_checkpoint({**self._before, "now": state})

    def load_checkpoint(self) -> dict[str, Any] | None:
        return self._now


def _state_of(one: MeshResult) -> dict[str, Any]:
    """A finished variation as a checkpoint may hold it: tensors and strings."""
    return {"arrays": {name: torch.from_numpy(np.array(array)) for name, array in one.arrays.items()},
            "report": json.dumps(one.report, default=str)}


def _result_of(state: dict[str, Any]) -> MeshResult:
    return MeshResult({name: array.numpy() for name, array in state["arrays"].items()}, json.loads(state["report"]))
