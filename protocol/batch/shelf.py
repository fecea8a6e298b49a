# SPDX-License-Identifier: GPL-3.0-or-later
"""What a batch keeps of finished jobs so that they can stand in .blend files, and the plan that says how they do.

    results/KEY.npz          what came
    results/KEY.stage.npz    what it was made of: a mesh, a picture, a skeleton
    results/KEY.json         facts: how it goes back into a scene

A plan is JSON, because another process may follow it (`blender_addon.batch.assemble`), a Blender that has nothing of
the wire. Deciding what stands where is left to that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..specs import Spec
from .manifest import Row
from .runner import Outcome

FOLDER = "results"
NOWHERE = ("learn",)
"""Kinds whose results stand in no scene."""


class Shelf:
    """out: folder of the files that were asked for. state: folder of the log and of what is kept here."""

    def __init__(self, out: Path, state: Path) -> None:
        self.out, self.state = out, state

    def _file(self, key: str, ending: str) -> Path:
        return self.state / FOLDER / f"{key}{ending}"

    def keep(self, key: str, arrays: Mapping[str, Any], stage: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Write a result down, the arrays last. facts: see `subject`. Raises OSError."""
        (self.state / FOLDER).mkdir(parents=True, exist_ok=True)
        self._file(key, ".json").write_text(json.dumps(dict(facts)), encoding="utf-8")
        for ending, whole in ((".stage.npz", stage), (".npz", arrays)):
            if not whole and ending == ".stage.npz":
                continue
            temporary = self._file(key, ".part")
            with temporary.open("wb") as file:
                np.savez(file, **whole)
            os.replace(temporary, self._file(key, ending))

    def drop(self, key: str) -> None:
        """Forget a result that stands in no .blend."""
        for ending in (".json", ".stage.npz", ".npz"):
            self._file(key, ending).unlink(missing_ok=True)

    def kept(self, row: Row, key: str) -> bool:
        """Is everything that this row made still there?"""
        there = (self.out / row.out / "report.json").is_file()
        return there and (not row.blend or self._file(key, ".npz").is_file())

    def entry(self, row: Row, key: str) -> dict[str, Any]:
        """How a row stands in a plan."""
        facts = self._file(key, ".json")
        return subject(
            row.spec, key, self._file(key, ".npz"), self._file(key, ".stage.npz"), self.out / row.out / "report.json",
            place=row.place, facts=json.loads(facts.read_text(encoding="utf-8")) if facts.is_file() else {},
        )

    def plans(self, outcomes: Sequence[Outcome]) -> Iterator[tuple[Path, dict[str, Any]]]:
        """(file, its plan) for each .blend that has to be written: with something new in it, or missing."""
        groups: dict[str, list[Outcome]] = {}
        for one in outcomes:
            if one.row.blend and one.state in ("done", "skipped") and one.row.spec.kind not in NOWHERE:
                groups.setdefault(one.row.blend, []).append(one)
        for name, group in groups.items():
            path = self.out / name
            if not path.exists() or any(one.state == "done" for one in group):
                path.parent.mkdir(parents=True, exist_ok=True)
                yield path, {"file": str(path), "objects": [self.entry(one.row, one.key) for one in group]}


def subject(
    spec: Spec, key: str, arrays: Path, stage: Path, report: Path, *,
    place: Sequence[float] | None = None, facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One result in a plan; files that are not there count as empty.

    facts: `target`, the name of what was worked on; `options`, what the way back into the scene needs to know; `file`
    and `company`, the .blend that has the target, and what belongs to it there; `matrix` (16 numbers, row by row) where
    a result stands that has no target in the scene; `unit`, metres a unit of its scene is.
    """
    return {
        "kind": spec.kind, "job": key, "prompt": str(getattr(spec, "prompt", "") or spec.title),
        "name": str(getattr(spec, "name", "")), "place": None if place is None else list(place),
        "arrays": str(arrays), "stage": str(stage) if stage.is_file() else "",
        "report": str(report) if report.is_file() else "", "facts": dict(facts or {}),
    }
