# SPDX-License-Identifier: GPL-3.0-or-later
"""Results that become objects beside others: an edited mesh, a row of variations, the one of them that is kept."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from blender_addon import kinds, recall, wire
from blender_addon.apply import editing as edited
from blender_addon.apply import preview
from blender_addon.apply import variations as varied
from blender_addon.apply.mesh import BrokenMesh
from blender_addon.apply.placement import Place
from blender_addon.apply.result import Delivery

JOB = "0123456789abcdef0123456789abcdef"


def delivery(arrays, **changes) -> Delivery:
    values = {"job_id": JOB, "prompt": "a blue ball", "name": "", "place": Place(bpy.context.scene.name),
              "arrays": arrays, "report": {"seed": 4}}
    return Delivery(**(values | changes))


@pytest.fixture
def crate(addon):
    bpy.ops.mesh.primitive_cube_add(size=2.0, location=(1.0, 2.0, 3.0), rotation=(0.0, 0.0, 0.5))
    bpy.context.object.name = "Crate"
    bpy.context.object.scale = (1.0, 1.0, 2.0)
    bpy.context.view_layer.update()
    return bpy.context.object


def test_an_edited_mesh_stands_beside_the_original(crate, arrays):
    before = crate.matrix_world.copy()
    item = bpy.data.objects[edited.deliver(delivery(arrays, target="Crate"))]
    bpy.context.view_layer.update()
    assert item.name == "Blue ball" and not crate.hide_get() and crate.matrix_world == before
    moved = Matrix.Translation(item.matrix_world.translation - before.translation)
    assert np.allclose(item.matrix_world, moved @ before) and moved.translation.y == moved.translation.z == 0.0
    assert moved.translation.x > crate.dimensions.x and item.users_collection == crate.users_collection


def test_it_takes_the_originals_place_only_when_asked(crate, arrays):
    item = bpy.data.objects[edited.deliver(delivery(arrays, target="Crate", options={"hide_original": True}))]
    assert item.matrix_world == crate.matrix_world and crate.hide_get() and crate.hide_render
    assert len(crate.data.polygons) == 6


def test_its_preview_stands_there_before_it(crate, arrays):
    place = edited.place_of("Crate", {})
    bpy.context.scene.unit_settings.scale_length = 0.01  # its vertices are the original's units all the same
    rough = {name: arrays[name] for name in ("vertices", "faces")}
    preview.show(JOB, "Blue ball", place, rough, in_metres=False)
    bpy.context.view_layer.update()
    shown = preview.find(JOB)
    aside = Matrix.Translation((1.2 * crate.dimensions.x, 0.0, 0.0))
    assert np.allclose(shown.matrix_world, aside @ crate.matrix_world)
    assert shown.users_collection == crate.users_collection and shown.data.vertices[0].co.z == 1.0
    shown.location.y += 4.0  # the artist has moved it
    bpy.context.view_layer.update()
    moved = shown.matrix_world.copy()
    item = bpy.data.objects[edited.deliver(delivery(arrays, target="Crate"))]
    assert item == shown and item.matrix_world == moved and item.data.vertices[0].co.z == 1.0


def test_the_original_may_be_gone(addon, arrays):
    item = bpy.data.objects[edited.deliver(delivery(arrays, target="Gone"))]
    assert [one.name for one in item.users_collection] == ["Maquette"]


def row(arrays, count: int, **changes) -> Delivery:
    whole = {f"v{at}_{name}": one for at in range(count) for name, one in arrays.items()}
    report = {"seed": 7, "row_metres": 1.5, "variations": [{"seed": 7 + at, "preset": "draft"} for at in range(count)]}
    return delivery(whole, report=report, **changes)


def test_variations_stand_in_a_row_each_with_its_own_seed(addon, arrays):
    first = bpy.data.objects[varied.deliver(row(arrays, 3))]
    items = [first, *varied.siblings(first)]
    assert [one["maquette_seed"] for one in items] == ["7", "8", "9"]
    assert [one.location.x for one in items] == [-1.5, 0.0, 1.5] and {one.location.y for one in items} == {0.0}
    assert len({one.data.name for one in items}) == 3


def test_the_row_stands_where_the_preview_was_moved_to(addon, arrays):
    preview.show(JOB, "Ball", Place(bpy.context.scene.name), {name: arrays[name] for name in ("vertices", "faces")})
    preview.find(JOB).location = (0.0, 5.0, 0.0)
    bpy.context.view_layer.update()
    first = bpy.data.objects[varied.deliver(row(arrays, 2))]
    assert tuple(first.location) == (-0.75, 5.0, 0.0) and preview.find(JOB) is None


def test_a_row_that_is_broken_in_part_leaves_nothing(addon, arrays):
    wanted = row(arrays, 3)
    wanted.arrays["v2_faces"] = np.full((4, 3), 10**6, np.int32)
    with pytest.raises(BrokenMesh):
        varied.deliver(wanted)
    assert len(bpy.data.objects) == 0 and len(bpy.data.meshes) == 0


def test_one_of_them_is_kept(addon, arrays):
    first = bpy.data.objects[varied.deliver(row(arrays, 3))]
    bpy.context.view_layer.objects.active = first
    assert bpy.ops.maquette.keep_variation() == {"FINISHED"}
    assert list(bpy.data.objects) == [first] and not varied.siblings(first)
    assert not bpy.ops.maquette.keep_variation.poll()


def test_a_count_makes_variations_and_the_history_brings_it_back(addon):
    properties = bpy.context.scene.maquette
    properties.prompt, properties.count = "a blue ball", 4
    spec = kinds.chosen(properties).spec(bpy.context, properties)
    assert (spec.kind, spec.count) == ("variations", 4)
    properties.count, properties.kind = 1, "texture"
    recall.fill(properties, "variations", spec.to_map(), 9)
    assert (properties.kind, properties.count, properties.seed) == ("text_to_3d", 4, 9)
    recall.fill(properties, "text_to_3d", wire.specs.TextTo3DSpec("a cup").to_map())
    assert (properties.count, properties.prompt) == (1, "a cup")


@pytest.mark.parametrize(
    ("spec", "field", "value"),
    [
        (lambda: wire.specs.RemoveSpec(views=3), "patch_views", 3),
        (lambda: wire.specs.LearnSpec("zorblu", "mug", method="lora"), "learn_method", "lora"),
        (lambda: wire.specs.EditSpec("a cup", reshape=0.25), "reshape", 0.25),
        (lambda: wire.specs.InpaintSpec("fill", "a cup", grow=-3), "grow", -3),
        (lambda: wire.specs.AnimateSpec("walks", mirror=True), "mirror", True),
    ],
)
def test_the_history_gives_back_settings_of_every_kind(addon, spec, field, value):
    properties = bpy.context.scene.maquette
    made = spec()
    recall.fill(properties, made.kind, made.to_map())
    assert properties.kind == made.kind and getattr(properties, field) == value
