# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigs: where placed cameras stand and look, and what the panel's choices mean as matrices."""

from __future__ import annotations

import math

import bpy
import numpy as np
import pytest
from mathutils import Matrix, Vector

from blender_addon import wire
from blender_addon.capture import cameras


@pytest.fixture
def cube():
    bpy.ops.mesh.primitive_cube_add(size=2.0, location=(1.0, 2.0, 3.0))
    bpy.context.view_layer.update()
    return bpy.context.object


def looks_at(matrix, point) -> bool:
    towards = (Vector(point) - matrix.translation).normalized()
    return (matrix.to_3x3() @ Vector((0.0, 0.0, -1.0))).dot(towards) > 1.0 - 1e-5


def test_azimuth_zero_sees_the_front_and_ninety_degrees_stands_at_plus_x():
    assert np.allclose(cameras.direction(0.0, 0.0), (0, -1, 0))
    assert np.allclose(cameras.direction(math.pi / 2, 0.0), (1, 0, 0), atol=1e-7)
    assert np.allclose(cameras.direction(0.0, math.pi / 2), (0, 0, 1), atol=1e-7)


@pytest.mark.parametrize(
    "directions", [cameras.ring(8, 0.4), cameras.hemisphere(12), cameras.box()], ids=["ring", "hemisphere", "box"]
)
def test_every_placed_camera_sees_the_whole_subject(cube, directions):
    about = cameras.subject(bpy.context)
    assert np.allclose(about.centre, (1.0, 2.0, 3.0)) and about.radius == pytest.approx(math.sqrt(3.0), rel=1e-5)
    collection = cameras.place(bpy.context.scene, [cameras.looking(about, one) for one in directions])
    bpy.context.view_layer.update()
    assert len(collection.objects) == len(directions)
    for item in collection.objects:
        assert looks_at(item.matrix_world, about.centre)
        up = item.matrix_world.to_3x3() @ Vector((0.0, 1.0, 0.0))
        assert up.z >= -1e-6  # never upside down
        distance = (item.matrix_world.translation - about.centre).length
        assert math.asin(about.radius / distance) < item.data.angle_y / 2.0


def test_the_hemisphere_is_even_and_above_the_horizon():
    heights = np.array([one.z for one in cameras.hemisphere(200)])
    assert heights.min() > 0.0 and np.allclose(np.diff(np.sort(heights)), 1 / 200, atol=1e-6)


def test_the_operator_places_them_and_the_panel_stands_on_them(addon, cube):
    properties = bpy.context.scene.maquette
    assert bpy.ops.maquette.place_cameras(arrangement="RING", count=6) == {"FINISHED"}
    assert properties.rig == "COLLECTION" and len(properties.rig_collection.objects) == 6
    bpy.context.view_layer.update()
    views = cameras.rig(bpy.context, properties)
    assert len(views) == 6 and all(looks_at(Matrix(np.reshape(one.matrix, (4, 4)).tolist()), cube.location)
                                   for one in views)
    given = cameras.arrays(views)
    assert given["cameras"].shape == (6, 4, 4) and given["cameras"].dtype == np.float32
    assert given["fields_of_view"] == pytest.approx(cameras.FOV, rel=1e-5)


def test_the_choices_of_the_panel(addon, cube):
    properties = bpy.context.scene.maquette
    assert cameras.rig(bpy.context, properties) == []
    properties.rig, properties.rig_count = "TURNTABLE", 5
    assert len(cameras.rig(bpy.context, properties)) == 5
    properties.rig = "SCENE"
    with pytest.raises(wire.errors.BadRequest, match="no perspective camera"):
        cameras.rig(bpy.context, properties)
    bpy.ops.object.camera_add(location=(0.0, -5.0, 0.0), rotation=(math.pi / 2, 0.0, 0.0))
    camera = bpy.context.object
    camera.scale = (2.0, 2.0, 2.0)
    bpy.context.view_layer.update()
    view = cameras.rig(bpy.context, properties)[0]
    matrix = np.reshape(view.matrix, (4, 4))
    assert np.allclose(np.linalg.norm(matrix[:3, :3], axis=0), 1.0) and np.allclose(matrix[:3, 3], (0, -5, 0))
    camera.data.type = "ORTHO"
    with pytest.raises(wire.errors.BadRequest):
        cameras.rig(bpy.context, properties)


@pytest.mark.parametrize(("fit", "wide"), [("AUTO", True), ("AUTO", False), ("HORIZONTAL", True), ("VERTICAL", True)])
def test_the_vertical_field_of_view_is_the_one_blender_renders_with(fit, wide):
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = (1600, 900) if wide else (900, 1600)
    data = bpy.data.cameras.new("camera")
    item = bpy.data.objects.new("camera", data)
    scene.collection.objects.link(item)
    data.sensor_fit = fit
    top_right, bottom_right = data.view_frame(scene=scene)[:2]
    true = 2.0 * math.atan(abs(top_right.y - bottom_right.y) / 2.0 / abs(top_right.z))
    assert cameras.view_of(item, scene.render.resolution_x / scene.render.resolution_y).fov == pytest.approx(true, 1e-4)
