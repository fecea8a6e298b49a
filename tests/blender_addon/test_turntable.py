# SPDX-License-Identifier: GPL-3.0-or-later
"""The contact sheet shows the object from all around and leaves the artist's file as it was."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from blender_addon import turntable
from blender_addon.apply.mesh import MeshArrays, build_mesh


def two_sided_ball(arrays):
    """A ball whose front half (-Y) is red and whose back half is blue."""
    mesh = build_mesh("ball", MeshArrays.from_result(arrays))
    for name, colour in (("front", (0.8, 0.0, 0.0, 1.0)), ("back", (0.0, 0.0, 0.8, 1.0))):
        material = bpy.data.materials.new(name)
        material.use_nodes = True
        material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = colour
        mesh.materials.append(material)
    for polygon in mesh.polygons:
        polygon.material_index = int(polygon.center.y > 0.0)
    item = bpy.data.objects.new("ball", mesh)
    bpy.context.scene.collection.objects.link(item)
    return item


def test_sheet(arrays, tmp_path):
    item = two_sided_ball(arrays)
    item.location = (3.0, -2.0, 1.0)
    bpy.context.view_layer.update()
    kinds = ("scenes", "objects", "meshes", "materials", "images", "worlds", "lights", "cameras")
    before = {kind: sorted(block.name for block in getattr(bpy.data, kind)) for kind in kinds}

    path = tmp_path / "sheet.png"
    turntable.render_sheet(item, path, turntable.Sheet(views=2, columns=2, size=64, samples=1))

    after = {kind: sorted(block.name for block in getattr(bpy.data, kind)) for kind in kinds}
    after["images"] = [name for name in after["images"] if name != "Render Result"]  # Blender's own, at any render
    assert after == before
    image = bpy.data.images.load(str(path))
    assert tuple(image.size) == (128, 64)
    pixels = np.empty(64 * 128 * 4, dtype=np.float32)
    image.pixels.foreach_get(pixels)
    pixels = pixels.reshape(64, 128, 4)
    front, back = pixels[32, 32], pixels[32, 96]
    assert front[0] > front[2] + 0.2, "the first view is the front"
    assert back[2] > back[0] + 0.2, "half a turn shows the back"
    for left in (0, 64):  # all of the ball is in the frame: its colours do not reach the border
        border = np.concatenate([pixels[0, left : left + 64], pixels[-1, left : left + 64]])
        assert np.ptp(border[:, :3], axis=1).max() < 0.15


def test_sheet_settings_are_checked():
    with pytest.raises(ValueError):
        turntable.Sheet(views=0)
