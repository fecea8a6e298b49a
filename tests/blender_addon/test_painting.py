# SPDX-License-Identifier: GPL-3.0-or-later
"""Painting an object: what goes in, and that nothing of the artist's is replaced when the texture comes back."""

from __future__ import annotations

import math
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from blender_addon import kinds, wire
from blender_addon.apply import adopting
from blender_addon.apply import painting as painted
from blender_addon.apply.image import BrokenImage
from blender_addon.apply.mesh import BrokenMesh
from blender_addon.apply.placement import Place
from blender_addon.apply.result import Delivery
from blender_addon.capture import meshes, painting

JOB = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def cube(addon):
    bpy.ops.mesh.primitive_cube_add(size=2.0, location=(1.0, 2.0, 3.0))
    item = bpy.context.object
    item.name = "Crate"
    for name in ("Wood", "Iron"):
        item.data.materials.append(bpy.data.materials.new(name))
    item.data.polygons[3].material_index = 1
    return item


def result(item, **changes) -> dict[str, np.ndarray]:
    """As the worker gives it back: the same triangles, with a texture."""
    from tests.blender_addon.conftest import png_bytes

    arrays = meshes.triangles(item.data)
    arrays["base_colour"] = np.frombuffer(png_bytes(np.full((8, 8, 3), 99, np.uint8)), np.uint8)
    return arrays | changes


def give(item, arrays, **changes):
    values = {"job_id": JOB, "prompt": "old wood", "name": "", "place": Place(bpy.context.scene.name),
              "arrays": arrays, "report": {"seed": 4}, "target": item.name}
    return bpy.data.objects[painted.deliver(Delivery(**(values | changes)))]


def uvs_of(mesh, name) -> np.ndarray:
    values = np.empty(len(mesh.loops) * 2, np.float32)
    mesh.uv_layers[name].uv.foreach_get("vector", values)
    return values.reshape(-1, 2)


def test_what_goes_in_is_the_mesh_in_triangles_with_its_uvs(cube):
    arrays = painting.inputs(bpy.context, bpy.context.scene.maquette, "Crate", SimpleNamespace(rig="coverage"), {})
    assert arrays["vertices"].shape == (8, 3) and arrays["faces"].shape == (12, 3) and arrays["uvs"].shape == (36, 2)
    assert {name: one.dtype.str for name, one in arrays.items()} == {"vertices": "<f4", "faces": "<i4", "uvs": "<f4"}
    assert arrays["vertices"].min() == -1.0  # the object's own frame, not the world's
    corner = arrays["vertices"][arrays["faces"]]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    assert ((normal * corner.mean(axis=1)).sum(axis=1) > 0).all()  # outwards
    assert len(cube.data.polygons) == 6


def test_chosen_cameras_go_in_in_the_objects_frame(cube):
    cube.rotation_euler.z, cube.scale = math.radians(90.0), (2.0, 2.0, 2.0)
    bpy.ops.object.camera_add(location=(1.0, -8.0, 3.0), rotation=(math.pi / 2, 0.0, 0.0))
    bpy.context.view_layer.update()
    properties = bpy.context.scene.maquette
    properties.rig = "SCENE"
    arrays = painting.inputs(bpy.context, properties, "Crate", SimpleNamespace(rig="cameras"), {})
    assert arrays["cameras"].shape == (1, 4, 4) and arrays["fields_of_view"].shape == (1,)
    matrix = Matrix(arrays["cameras"][0].tolist())
    assert np.allclose(matrix.translation, (-5.0, 0.0, 0.0), atol=1e-5)  # turned by 90 degrees, half as far
    assert np.allclose(matrix.to_3x3() @ Matrix.Identity(3).col[2], (-1.0, 0.0, 0.0), atol=1e-5)


def test_on_its_own_uvs_only_a_material_is_added(cube):
    before = uvs_of(cube.data, "UVMap").copy()
    item = give(cube, result(cube))
    assert item == cube and len(bpy.data.objects) == 1
    assert [one.name for one in cube.data.uv_layers] == ["UVMap"] and np.array_equal(uvs_of(cube.data, "UVMap"), before)
    assert [one.name for one in cube.data.materials] == ["Wood", "Iron", "Crate painted"]
    assert {one.material_index for one in cube.data.polygons} == {2}
    kept = [one.value for one in cube.data.attributes[adopting.BEFORE].data]
    assert kept == [0, 0, 0, 1, 0, 0]
    give(cube, result(cube))  # again: what was there at first is still known
    assert [one.value for one in cube.data.attributes[adopting.BEFORE].data] == kept
    assert cube["maquette_seed"] == "4"


def test_new_uvs_come_beside_the_artists_and_the_material_looks_at_them(cube):
    before = uvs_of(cube.data, "UVMap").copy()
    arrays = result(cube)
    arrays["uvs"] = (arrays["uvs"] * np.float32(0.5)).copy()
    give(cube, arrays)
    assert [one.name for one in cube.data.uv_layers] == ["UVMap", "Maquette"]
    assert np.array_equal(uvs_of(cube.data, "UVMap"), before) and np.allclose(uvs_of(cube.data, "Maquette"), before / 2)
    assert cube.data.uv_layers.active.name == "UVMap"
    group = cube.data.materials[-1].node_tree.nodes
    tree = next(node.node_tree for node in group if node.type == "GROUP")
    assert next(node.uv_map for node in tree.nodes if node.type == "UVMAP") == "Maquette"


def test_pictures_of_roughness_and_metallic_are_data_on_the_same_uvs(cube):
    arrays = result(cube)
    arrays |= {name: arrays["base_colour"].copy() for name in ("roughness", "metallic")}
    give(cube, arrays)
    material = cube.data.materials[-1]
    surface = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    for name in ("Roughness", "Metallic"):
        (link,) = surface.inputs[name].links
        assert link.from_node.image.colorspace_settings.name == "Non-Color"
        (coordinates,) = link.from_node.inputs["Vector"].links
        assert coordinates.from_node.uv_map == "UVMap"
    assert material.node_tree.nodes.active.type == "GROUP"  # what Texture Paint looks at is the colour still
    images = len(bpy.data.images)
    with pytest.raises(BrokenImage):
        give(cube, arrays | {"roughness": np.zeros(3, np.uint8)})
    assert len(bpy.data.images) == images


def test_charts_that_end_inside_a_polygon_give_a_new_object_beside(cube):
    arrays = result(cube)
    uvs = arrays["uvs"].copy()
    uvs[:3] += 0.25  # one triangle of a square moves away from the other
    item = give(cube, result(cube, uvs=uvs))
    assert item != cube and len(cube.data.materials) == 2 and len(cube.data.uv_layers) == 1
    assert np.allclose(item.matrix_world, cube.matrix_world) and item.users_collection == cube.users_collection
    assert len(item.data.polygons) == 12


@pytest.mark.parametrize("change", ["edited", "deleted"])
def test_a_mesh_that_is_another_one_by_now_is_left_alone(cube, change):
    arrays, name = result(cube), cube.name
    if change == "edited":
        cube.data.transform(Matrix.Scale(2.0, 4))
        bpy.ops.object.mode_set(mode="EDIT")
        bpy.ops.mesh.subdivide()
        bpy.ops.object.mode_set(mode="OBJECT")
    else:
        bpy.data.objects.remove(cube)
    place = Place(bpy.context.scene.name)
    made = bpy.data.objects[painted.deliver(Delivery(JOB, "old wood", "", place, arrays, {}, name))]
    assert made.name != "Crate" and len(made.data.polygons) == 12


def test_a_moved_vertex_keeps_the_painting_on_the_object(cube):
    arrays = result(cube)
    cube.data.vertices[0].co.x -= 0.5
    assert give(cube, arrays) == cube and cube.data.vertices[0].co.x == -1.5


@pytest.mark.parametrize("missing", ["base_colour", "uvs"])
def test_a_result_without_its_texture_changes_nothing(cube, missing):
    arrays = result(cube)
    del arrays[missing]
    with pytest.raises(BrokenMesh):
        give(cube, arrays)
    assert len(bpy.data.objects) == 1 and len(cube.data.materials) == 2


def test_what_cannot_be_painted_says_why(cube):
    properties = bpy.context.scene.maquette
    assert meshes.target(bpy.context, properties) == "Crate"
    cube.select_set(False)
    with pytest.raises(wire.errors.BadRequest, match="Select the mesh"):
        meshes.target(bpy.context, properties)
    bpy.ops.object.empty_add()
    with pytest.raises(wire.errors.BadRequest, match="Select the mesh"):
        meshes.target(bpy.context, properties)
    with pytest.raises(wire.errors.BadRequest, match="any more"):
        painting.inputs(bpy.context, properties, "Gone", SimpleNamespace(rig="coverage"), {})


def test_the_panel_offers_it_and_makes_its_spec(cube):
    properties = bpy.context.scene.maquette
    properties.kind, properties.prompt, properties.rig, properties.rig_count = "texture", "old wood", "TURNTABLE", 5
    spec = kinds.chosen(properties).spec(bpy.context, properties)
    assert (spec.kind, spec.prompt, spec.rig, spec.views, spec.name) == ("texture", "old wood", "turntable", 5, "Crate")
    assert kinds.complaint(bpy.context) == ""
    bpy.ops.object.select_all(action="DESELECT")
    assert "Select the mesh" in kinds.complaint(bpy.context)
