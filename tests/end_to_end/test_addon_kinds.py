# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of work on what is there already, from Blender through a real hub and a real worker and back into the
scene, with as few steps as there can be: what an artist has stays as it was, and each result is one thing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Blender reads this once, when it is loaded: without it the tests would read and write the user's own settings.
os.environ.setdefault("BLENDER_USER_RESOURCES", tempfile.mkdtemp(prefix="maquette-test-"))

import bpy  # noqa: E402
import numpy as np  # noqa: E402

import blender_addon  # noqa: E402
from blender_addon import compat, scripting  # noqa: E402
from blender_addon.capture import appearance, meshes, pictures  # noqa: E402

LIMIT_S = 240.0
"""For one job, the start of hub and worker included."""
TINY = {"effort": 0.01, "seed": 3}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def addon(tmp_path_factory) -> Iterator[None]:
    """One add-on with one hub and one worker for all tests of this file."""
    folder = tmp_path_factory.mktemp("kinds")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAQUETTE_DATA", str(folder / "data"))
        patch.setenv("PYTHONPATH", os.path.dirname(os.path.dirname(blender_addon.__file__)))

        def user_folder(package: str, name: str) -> Path:
            (folder / "user" / name).mkdir(parents=True, exist_ok=True)
            return folder / "user" / name

        patch.setattr(compat, "user_folder", user_folder)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        blender_addon.register()
        yield
        blender_addon.unregister()


@pytest.fixture
def crate(addon) -> bpy.types.Object:
    """A cube of quads with the artist's UVs, two materials and a group, alone in the scene."""
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    bpy.ops.mesh.primitive_cube_add(size=1.0, location=(1.0, 2.0, 3.0))
    item = bpy.context.object
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.subdivide(number_cuts=3)
    bpy.ops.object.mode_set(mode="OBJECT")
    item.name = "Crate"
    item.data.materials.append(bpy.data.materials.new("Wood"))
    item.vertex_groups.new(name="Lid").add(list(range(8)), 1.0, "REPLACE")
    return item


def uvs_of(item) -> np.ndarray:
    return compat.read_uvs(item.data, item.data.uv_layers["UVMap"]).copy()


def texels(image) -> np.ndarray:
    return pictures.pixels(image)


def checked(item, side: int = 64) -> bpy.types.Image:
    """Give an object a texture of a known pattern, in a node tree of the artist's own making."""
    image = bpy.data.images.new("Planks", side, side)
    values = np.zeros((side, side, 4), np.float32)
    values[..., 0] = (np.arange(side) // 8 % 2)[:, None] * 0.8 + 0.1
    values[..., 1] = 0.4
    values[..., 3] = 1.0
    image.pixels.foreach_set(values.ravel())
    image.pack()
    material = item.data.materials[0]
    compat.enable_nodes(material)
    nodes = material.node_tree.nodes
    picture = nodes.new("ShaderNodeTexImage")
    picture.image = image
    surface = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    material.node_tree.links.new(picture.outputs["Color"], surface.inputs["Base Color"])
    return image


def test_a_crate_is_textured_and_nothing_else_changes(crate):
    before, polygons = uvs_of(crate), len(crate.data.polygons)
    made = scripting.texture(crate, "a red crate", texture_size=64, **TINY).wait(LIMIT_S)
    assert made == crate and len(crate.data.polygons) == polygons == 96
    assert np.array_equal(uvs_of(crate), before) and crate.data.materials[0].name == "Wood"
    worn = appearance.worn(crate)
    image = bpy.data.images[worn.image]
    assert image.size[0] >= 64 and texels(image)[..., :3].std() > 0.0
    assert crate["maquette_seed"] == "3"


def test_a_crate_becomes_something_else_beside_it(crate):
    image = checked(crate)
    before, was = uvs_of(crate), texels(image)
    made = scripting.edit(crate, "a blue crate", reshape=0.0, texture_size=64, **TINY).wait(LIMIT_S)
    assert made != crate and made.location.x > crate.location.x and not crate.hide_get()
    assert len(made.data.polygons) == len(meshes.triangles(crate.data)["faces"])
    assert np.array_equal(uvs_of(crate), before) and np.array_equal(texels(image), was)


def test_a_piece_is_removed_and_the_rest_keeps_what_it_has(crate):
    image = checked(crate)
    before, was, corners = uvs_of(crate), texels(image), len(crate.data.loops)
    lid = [one for one in crate.data.polygons if one.normal.z > 0.9]
    top = [one.index for one in lid if abs(one.center.x) + abs(one.center.y) < 0.3]
    assert len(top) == 4
    made = scripting.remove(crate, faces=top, seed=3).wait(LIMIT_S)
    assert made == crate and crate.vertex_groups[0].name == "Lid"
    quads = [one for one in crate.data.polygons if one.loop_total == 4]
    assert len(quads) == 92 and len(crate.data.polygons) > 92
    keys = dict.fromkeys(crate.data.edge_keys, 0)
    for one in crate.data.polygons:
        for edge in one.edge_keys:
            keys[edge] += 1
    assert set(keys.values()) == {2}  # closed
    kept = np.concatenate([list(one.loop_indices) for one in quads])
    old = [one for at, one in enumerate(range(96)) if at not in top]
    assert len(kept) == len(old) * 4 == corners - 16
    wanted = np.concatenate([before[4 * at : 4 * at + 4] for at in old])
    assert np.array_equal(uvs_of(crate)[kept], wanted) and np.array_equal(texels(image), was)


def test_what_is_selected_is_inpainted_and_no_other_texel_changes(crate):
    image = checked(crate)
    was = texels(image)
    lid = [one.index for one in crate.data.polygons if one.normal.z > 0.9]
    made = scripting.inpaint(crate, faces=lid, seed=3).wait(LIMIT_S)
    now = texels(bpy.data.images[appearance.worn(crate).image])
    assert made == crate and np.array_equal(texels(image), was) and now.shape == was.shape
    uvs = uvs_of(crate)[[at for one in lid for at in crate.data.polygons[one].loop_indices]]
    low, high = np.floor(uvs.min(0) * 64) - 1, np.ceil(uvs.max(0) * 64) + 1
    rows, columns = np.mgrid[0:64, 0:64]
    inside = (columns >= low[0]) & (columns < high[0]) & (63 - rows >= low[1]) & (63 - rows < high[1])
    assert np.array_equal(now[~inside], was[~inside]) and 0 < inside.mean() < 0.2


def test_a_picture_is_continued_over_its_mask(crate):
    image = checked(crate)
    mask = bpy.data.images.new("Mask", 64, 64, is_data=True)
    white = np.zeros((64, 64, 4), np.float32)
    white[..., 3], white[20:40, 10:30] = 1.0, 1.0
    mask.pixels.foreach_set(white.ravel())
    made = scripting.inpaint(image, mask=mask, seed=3).wait(LIMIT_S)
    was, now, hole = texels(image), texels(made), texels(mask)[..., 0] > 0
    assert made.name == f"{image.name} inpainted" and np.array_equal(now[~hole], was[~hole])
    assert np.abs(now[hole].astype(int) - was[hole]).mean() < 40  # the stripes go on, which are 204 apart


def test_a_click_selects_what_it_hits(crate):
    scene = bpy.context.scene
    scene.render.resolution_x = scene.render.resolution_y = 128
    bpy.ops.object.camera_add(location=(1.0, -4.0, 3.0), rotation=(np.pi / 2, 0.0, 0.0))
    scene.camera = bpy.context.object
    bpy.context.view_layer.update()
    assert scripting.segment(crate, [(64.0, 64.0, True)], by="surface").wait(LIMIT_S) == crate
    chosen = [one for one in crate.data.polygons if one.select]
    assert len(chosen) >= 12 and all(one.normal.y < -0.9 for one in chosen)  # most of the side that was hit, no other


def test_a_mesh_gets_a_skeleton_and_moves(crate):
    rig = scripting.rig(crate, creature="prop", detail=32).wait(LIMIT_S)
    assert rig.type == "ARMATURE" and len(rig.data.bones) > 0
    assert any(one.type == "ARMATURE" and one.object == rig for one in crate.modifiers)
    bones = {group.index for group in crate.vertex_groups if group.name in rig.data.bones}
    weights = [sum(one.weight for one in vertex.groups if one.group in bones) for vertex in crate.data.vertices]
    assert np.allclose(weights, 1.0, atol=1e-4)
