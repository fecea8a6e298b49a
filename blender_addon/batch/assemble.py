# SPDX-License-Identifier: GPL-3.0-or-later
"""Finished results of any kind -> one .blend file, or a .glb: what the panel would have brought into the scene.

Each result goes the way that its kind goes in an artist's scene (`kinds`): an avatar stands there with armature and
Action, variations in a row, a texture on its object. It replaces the open file, so it is for background Blenders only.
The plan is JSON, because the shell runs this in a Blender of its own; see `protocol.batch.shelf`:

    {"file": "/out/shelf.blend", "glb": "", "objects": [{"kind": "texture", "arrays": "KEY.npz",
     "stage": "KEY.stage.npz", "report": "report.json", "prompt": "old wood", "name": "", "job": "KEY", "place": null,
     "facts": {}}, ...]}
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

from .. import kinds
from ..apply import placement, result
from . import staging

GAP = 0.25
"""Between objects that are arranged, as a share of the largest."""


@dataclass(frozen=True)
class Group:
    """What a result brought: its objects, and the point of them that stands at its place."""

    items: list[Any]
    anchor: Vector

    def move(self, way: Vector) -> None:
        """Move all of it."""
        for item in self.items:
            if item.parent not in self.items:
                item.matrix_world = Matrix.Translation(way) @ item.matrix_world

    def width(self) -> float:
        """The longer side of the floor that it needs."""
        corners = np.array([item.matrix_world @ Vector(one) for item in self.items for one in item.bound_box])
        return float(np.ptp(corners[:, :2], axis=0).max())


def main(plan_path: str) -> None:
    """Write the .blend, the .glb or both that a plan names."""
    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    build(plan["objects"])
    if plan.get("file"):
        path = Path(plan["file"])
        temporary = path.with_name(f".{path.stem}.part.blend")
        bpy.ops.wm.save_as_mainfile(filepath=str(temporary), check_existing=False, compress=True, copy=True)
        temporary.replace(path)
    if plan.get("glb"):
        export(Path(plan["glb"]))


def build(entries: list[dict[str, Any]]) -> list[Group]:
    """An empty file with these results in it; those without a place stand in a square, the first in front left."""
    if not bpy.app.background:
        raise RuntimeError("assembling replaces the open file; it is for Blender in the background")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.unit_settings.scale_length = next((one["facts"]["unit"] for one in entries if "unit" in one["facts"]), 1.0)
    reports = [json.loads(Path(one["report"]).read_text(encoding="utf-8")) if one["report"] else {} for one in entries]
    _set_pace(scene, reports)
    staged = staging.stage(scene, entries)
    bpy.context.view_layer.update()
    groups = [bring(scene, *three) for three in zip(entries, staged, reports, strict=True)]
    bpy.context.view_layer.update()
    unit = scene.unit_settings.scale_length
    for one, group in zip(entries, groups, strict=True):
        if one["place"]:
            group.move(Vector(one["place"]) / unit - group.anchor)
    _arrange([group for one, group in zip(entries, groups, strict=True) if not one["place"] and group.items])
    _set_range(scene)
    return groups


def bring(scene: Any, one: dict[str, Any], staged: staging.Staged, report: dict[str, Any]) -> Group:
    """Deliver one result as its kind does it."""
    kind, facts = kinds.find(one["kind"]), one["facts"]
    with np.load(one["arrays"], allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    place = placement.Place(scene.name, tuple(facts.get("matrix", placement.IDENTITY)))
    anchor = staged.items[0].matrix_world.translation.copy() if staged.items else place.transform.translation
    before = set(bpy.data.objects)
    kind.deliver(result.Delivery(
        one["job"], one["prompt"], one["name"], place, arrays, report, staged.target, staged.options
    ))
    return Group([*staged.items, *(item for item in bpy.data.objects if item not in before)], anchor)


def _arrange(groups: list[Group]) -> None:
    """Stand results in a square with equal cells; a single one stays where it is."""
    if len(groups) < 2:
        return
    columns = math.ceil(math.sqrt(len(groups)))
    cell = max(group.width() for group in groups) * (1.0 + GAP)
    for index, group in enumerate(groups):
        row, column = divmod(index, columns)
        group.move(Vector((column * cell - group.anchor.x, row * cell - group.anchor.y, 0.0)))


def _set_pace(scene: Any, reports: list[dict[str, Any]]) -> None:
    """The frames a second of the first motion, so that keys fall on frames."""
    fps = next((float(report["motion"]["fps"]) for report in reports if "fps" in report.get("motion", {})), 0.0)
    if fps:
        scene.render.fps = max(1, round(fps))
        scene.render.fps_base = scene.render.fps / fps


def _set_range(scene: Any) -> None:
    """The timeline holds every motion."""
    ends = [action.frame_range[1] for action in bpy.data.actions if "maquette_job" in action]
    if ends:
        scene.frame_start, scene.frame_end = 1, math.ceil(max(ends))


def write_glb(path: Path, one: dict[str, Any]) -> bool:
    """One result as a .glb; False where it stands in no scene."""
    return any(group.items for group in build([one])) and export(path)


def export(path: Path) -> bool:
    """What is in the open file as a .glb, by Blender's own exporter."""
    bpy.ops.object.select_all(action="SELECT")
    bpy.ops.export_scene.gltf(filepath=str(path), export_format="GLB", use_selection=True)
    return True
