# SPDX-License-Identifier: GPL-3.0-or-later
"""Finished results -> one .blend file, or a .glb: the same objects that the panel would have put into the scene.

It replaces the open file, so it is for background Blenders only. The plan is JSON, because the shell's `maquette batch`
runs this in a Blender of its own:

    {"file": "/out/shelf.blend", "objects": [{"arrays": "KEY.npz", "report": "report.json", "prompt": "a red mushroom",
     "name": "", "job": "KEY", "place": null}, ...]}
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ..apply import placement, result

GAP = 0.25
"""Between objects that are arranged, as a share of the largest."""


def main(plan_path: str) -> None:
    """Write the .blend that a plan describes."""
    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    build(plan["objects"])
    path = Path(plan["file"])
    temporary = path.with_name(f".{path.stem}.part.blend")
    bpy.ops.wm.save_as_mainfile(filepath=str(temporary), check_existing=False, compress=True, copy=True)
    temporary.replace(path)


def build(objects: list[dict[str, Any]]) -> list[Any]:
    """An empty file with these objects in it; those without a place stand in a square, the first in front left."""
    if not bpy.app.background:
        raise RuntimeError("assembling replaces the open file; it is for Blender in the background")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    made = []
    for one in objects:
        with np.load(one["arrays"], allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        report = json.loads(Path(one["report"]).read_text(encoding="utf-8")) if one.get("report") else {}
        place = placement.Place(bpy.context.scene.name, _matrix(one.get("place") or (0.0, 0.0, 0.0)))
        name = result.deliver(result.Delivery(one["job"], one["prompt"], one["name"], place, arrays, report))
        made.append(bpy.data.objects[name])
    bpy.context.view_layer.update()
    _arrange([item for item, one in zip(made, objects, strict=True) if not one.get("place")])
    return made


def _matrix(place: Any) -> tuple[float, ...]:
    values = list(placement.IDENTITY)
    values[3], values[7], values[11] = (float(value) for value in place)
    return tuple(values)


def _arrange(items: list[Any]) -> None:
    """Stand objects in a square with equal cells; a single one stays where it is."""
    if len(items) < 2:
        return
    columns = math.ceil(math.sqrt(len(items)))
    cell = max(max(item.dimensions.x, item.dimensions.y) for item in items) * (1.0 + GAP)
    for index, item in enumerate(items):
        row, column = divmod(index, columns)
        item.location.x += column * cell
        item.location.y += row * cell


def write_glb(path: Path, one: dict[str, Any]) -> None:
    """One result as a .glb, by Blender's own exporter."""
    item = build([one])[0]
    item.select_set(True)
    bpy.ops.export_scene.gltf(filepath=str(path), export_format="GLB", use_selection=True)
