# SPDX-License-Identifier: GPL-3.0-or-later
"""A delivered result: object, texture, material, place, memory of how it was made; nothing else is touched."""

from __future__ import annotations

import json
import math

import addon_utils
import bpy
import numpy as np
import pytest
from mathutils import Matrix

from blender_addon import compat
from blender_addon.apply import placement, preview
from blender_addon.apply.image import BrokenImage, image_from_png, mean_colour
from blender_addon.apply.mesh import BrokenMesh
from blender_addon.apply.result import Delivery, deliver

REPORT = {"seed": 2**40, "preset": "draft", "prior": "embedded", "material": {"roughness": 0.3, "metallic": 0.8}}


def give(arrays, **changes):
    values = {
        "job_id": "0123456789abcdef0123456789abcdef", "prompt": "a red ball", "name": "",
        "place": placement.Place(bpy.context.scene.name), "arrays": arrays, "report": REPORT,
    }
    return bpy.data.objects[deliver(Delivery(**(values | changes)))]


def inventory() -> dict[str, list[str]]:
    kinds = ("objects", "meshes", "materials", "images", "collections", "node_groups", "scenes", "cameras", "lights")
    return {kind: sorted(block.name for block in getattr(bpy.data, kind)) for kind in kinds}


def test_object_stands_in_its_collection_with_base_at_zero(arrays):
    item = give(arrays)
    bpy.context.view_layer.update()
    assert item.name == "Red ball"
    assert [collection.name for collection in item.users_collection] == ["Maquette"]
    assert item.scale[:] == (1.0, 1.0, 1.0)
    heights = [(item.matrix_world @ vertex.co).z for vertex in item.data.vertices]
    assert min(heights) == pytest.approx(0.0, abs=1e-6)
    assert item.dimensions.z == pytest.approx(1.0, abs=1e-6)


def test_it_remembers_how_it_was_made(arrays):
    item = give(arrays)
    assert item["maquette_prompt"] == "a red ball"
    assert int(item["maquette_seed"]) == 2**40
    assert json.loads(item["maquette_report"]) == REPORT


def test_texture_pixels_are_the_ones_sent(arrays, make_png):
    pixels = np.random.default_rng(3).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    image = image_from_png("picture", make_png(pixels))
    assert tuple(image.size) == (48, 32)
    assert image.packed_file is not None and image.packed_file.size > 0
    got = np.empty(32 * 48 * 4, dtype=np.float32)
    image.pixels.foreach_get(got)
    got = np.rint(got.reshape(32, 48, 4)[::-1, :, :3] * 255.0).astype(np.uint8)
    assert np.array_equal(got, pixels)
    assert image.colorspace_settings.name == "sRGB"


def test_material_graph(arrays):
    material = give(arrays).data.materials[0]
    nodes = {node.type: node for node in material.node_tree.nodes}
    surface = nodes["BSDF_PRINCIPLED"]
    assert set(nodes) == {"BSDF_PRINCIPLED", "OUTPUT_MATERIAL", "GROUP", "FRAME"}
    assert surface.inputs["Base Color"].links[0].from_node == nodes["GROUP"]
    assert nodes["OUTPUT_MATERIAL"].inputs["Surface"].links[0].from_node == surface
    assert surface.inputs["Roughness"].default_value == pytest.approx(0.3)
    assert surface.inputs["Metallic"].default_value == pytest.approx(0.8)
    assert nodes["GROUP"].parent == nodes["FRAME"]


@pytest.mark.parametrize("grouped", [True, False])
def test_the_picture_reaches_the_surface_with_and_without_a_group(arrays, grouped, monkeypatch):
    monkeypatch.setattr(compat, "exporters_see_groups", lambda: grouped)
    material = give(arrays).data.materials[0]
    tree = bpy.data.node_groups[0] if grouped else material.node_tree
    nodes = {node.type: node for node in tree.nodes}
    assert nodes["TEX_IMAGE"].inputs["Vector"].links[0].from_node == nodes["UVMAP"]
    assert nodes["UVMAP"].uv_map == "UVMap"
    end = nodes["GROUP_OUTPUT" if grouped else "BSDF_PRINCIPLED"].inputs["Colour" if grouped else "Base Color"]
    assert end.links[0].from_node == nodes["TEX_IMAGE"]


def test_solid_shading_shows_the_colour_of_the_picture(arrays, make_png):
    """Which knows no textures: without it every result that had no preview is grey there."""
    shown = np.zeros((16, 16, 4), np.uint8)
    shown[4:12, 4:12] = (188, 0, 255, 255)  # the rest is background
    colour = give(arrays | {"thumbnail": np.frombuffer(make_png(shown), np.uint8)}).data.materials[0].diffuse_color
    assert colour[:] == pytest.approx((0.503, 0.0, 1.0, 1.0), abs=2e-3)  # linear: 188 is half the light of 255
    images = len(bpy.data.images)
    assert mean_colour(make_png(np.zeros((8, 8, 4), np.uint8))) is None
    assert mean_colour(make_png(np.zeros((8, 1024, 4), np.uint8))) is None  # would take a frame to decode
    assert len(bpy.data.images) == images
    assert give(arrays | {"thumbnail": np.zeros(9, np.uint8)}).data.materials[0].diffuse_color[0] == pytest.approx(0.8)


def test_exporters_find_the_picture(arrays, tmp_path):
    addon_utils.enable("io_scene_gltf2")
    item = give(arrays)
    item.select_set(True)
    path = tmp_path / "ball.glb"
    bpy.ops.export_scene.gltf(filepath=str(path), export_format="GLB", use_selection=True)
    data = path.read_bytes()
    head = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    assert "baseColorTexture" in head["materials"][0]["pbrMetallicRoughness"] and len(head["images"]) == 1


def test_a_scene_in_other_units_gets_the_right_size(arrays):
    bpy.context.scene.unit_settings.scale_length = 0.01  # one unit is a centimetre
    item = give(arrays)
    bpy.context.view_layer.update()
    assert item.dimensions.z == pytest.approx(100.0, abs=1e-4) and item.scale[:] == (1.0, 1.0, 1.0)


def test_textures_as_files_lie_beside_the_file_and_never_overwrite(arrays, tmp_path):
    first = give(arrays, external_images=True)
    assert bpy.data.images[0].packed_file is not None  # never saved: there is no beside
    bpy.data.objects.remove(first)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    (tmp_path / "textures").mkdir()
    (tmp_path / "textures" / "Red_ball_001.png").write_bytes(b"the artist's own")
    give(arrays, external_images=True)
    image = bpy.data.images["Red ball.001"]
    assert image.packed_file is None and image.filepath == "//textures/Red_ball_001_001.png"
    assert (tmp_path / "textures" / "Red_ball_001_001.png").read_bytes() == arrays["base_colour"].tobytes()
    assert (tmp_path / "textures" / "Red_ball_001.png").read_bytes() == b"the artist's own"
    assert tuple(image.size) == (16, 16)


def test_the_active_collection_is_used_where_asked_for(arrays):
    own = bpy.data.collections.new("Props")
    bpy.context.scene.collection.children.link(own)
    bpy.context.view_layer.active_layer_collection = bpy.context.view_layer.layer_collection.children["Props"]
    item = give(arrays, place=placement.take_place(bpy.context, "ORIGIN", "ACTIVE"))
    assert [one.name for one in item.users_collection] == ["Props"]
    gone = placement.Place(bpy.context.scene.name, collection="Removed meanwhile")
    assert [one.name for one in give(arrays, place=gone).users_collection] == ["Maquette"]


def test_material_values_out_of_range_are_clamped(arrays):
    material = give(arrays, report={"material": {"roughness": 7, "metallic": -1}}).data.materials[0]
    assert material.roughness == 1.0 and material.metallic == 0.0


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a red mushroom with white spots", "Red mushroom with white spots"),
        ("The  tall\ttower,", "Tall tower"),
        ("a", "A"),
        ("x" * 200, "X" + "x" * 47),
        ("un éléphant " + "très " * 40 + "grand", "Un éléphant très très très très très"),
        ("木" * 40, "木" * 16),
    ],
)
def test_names_made_from_prompts(prompt, name):
    assert placement.object_name(prompt) == name
    assert len(placement.object_name(prompt).encode()) <= placement.NAME_LIMIT


def test_a_name_of_ones_own_wins(arrays):
    assert give(arrays, name="Prop 7").name == "Prop 7"


def test_place_at_cursor_origin_and_empty(arrays):
    scene = bpy.context.scene
    scene.cursor.location = (1.0, 2.0, 3.0)
    scene.cursor.rotation_euler = (0.5, 0.0, 0.0)
    at_cursor = give(arrays, place=placement.take_place(bpy.context, "CURSOR"))
    assert np.allclose(at_cursor.location, (1.0, 2.0, 3.0)) and np.allclose(at_cursor.rotation_euler, 0.0)
    at_origin = give(arrays, place=placement.take_place(bpy.context, "ORIGIN"))
    assert np.allclose(at_origin.location, 0.0)

    with pytest.raises(ValueError, match="none of the selected objects"):
        placement.take_place(bpy.context, "EMPTY")
    empty = bpy.data.objects.new("stand", None)
    scene.collection.objects.link(empty)
    turn = Matrix.Rotation(math.radians(30.0), 4, "Z")
    empty.matrix_world = Matrix.Translation((4.0, 0.0, 1.0)) @ turn @ Matrix.Scale(3.0, 4)
    empty.select_set(True)
    bpy.context.view_layer.update()
    at_empty = give(arrays, place=placement.take_place(bpy.context, "EMPTY"))
    assert np.allclose(at_empty.matrix_basis, Matrix.Translation((4.0, 0.0, 1.0)) @ turn, atol=1e-6)


def test_the_place_was_taken_when_the_button_was_pressed(arrays):
    bpy.context.scene.cursor.location = (1.0, 0.0, 0.0)
    place = placement.take_place(bpy.context, "CURSOR")
    bpy.context.scene.cursor.location = (9.0, 9.0, 9.0)
    bpy.context.scene.name = "renamed meanwhile"
    item = give(arrays, place=place)
    assert np.allclose(item.location, (1.0, 0.0, 0.0))
    assert item.name in bpy.context.scene.objects


def test_the_artists_own_things_stay_as_they_are(arrays):
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    cube.name = "Red ball"
    cube.data.materials.append(bpy.data.materials.new("Red ball"))
    before = inventory()
    item = give(arrays)
    assert item.name == "Red ball.001" and item != cube
    assert bpy.context.view_layer.objects.active == cube and cube.select_get() and not item.select_get()
    assert len(cube.data.vertices) == 8 and cube.data.materials[0].name == "Red ball"
    after = inventory()
    for kind, names in before.items():
        assert set(names) <= set(after[kind])


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda a: a.update(base_colour=a["base_colour"][:-20]), BrokenImage),
        (lambda a: a.update(base_colour=np.zeros(200, np.uint8)), BrokenImage),
        (lambda a: a.update(faces=a["faces"] + 10_000), BrokenMesh),
    ],
)
def test_a_broken_result_leaves_the_scene_as_it_was(arrays, damage, error):
    before = inventory()
    damage(arrays)
    with pytest.raises(error):
        give(arrays)
    assert inventory() == before


def test_two_scenes_have_a_collection_each(arrays):
    first = give(arrays)
    other = bpy.data.scenes.new("Other")
    second = give(arrays, place=placement.Place("Other"))
    assert second.name in other.objects and second.name not in bpy.context.scene.objects
    assert first.users_collection[0] != second.users_collection[0]
    assert give(arrays, place=placement.Place("Other")).users_collection[0] == second.users_collection[0]


# --- previews ---------------------------------------------------------------------------------------------------------

JOB = "0123456789abcdef0123456789abcdef"


def rough(arrays, scale: float = 1.0) -> dict[str, np.ndarray]:
    colours = np.full((len(arrays["vertices"]), 4), (255, 128, 0, 255), dtype=np.uint8)
    return {"vertices": arrays["vertices"] * np.float32(scale), "faces": arrays["faces"], "colours": colours}


def test_preview_sharpens_in_place(arrays, make_ball):
    place = placement.Place(bpy.context.scene.name)
    name = preview.show(JOB, "Red ball", place, rough(arrays))
    item = bpy.data.objects[name]
    mesh_name = item.data.name
    assert not item.data.validate()
    preview.show(JOB, "Red ball", place, rough(arrays, 0.5))  # same triangles, other positions
    assert len(bpy.data.objects) == 1 and bpy.data.objects[name].data.name == mesh_name
    assert max(vertex.co.z for vertex in item.data.vertices) == pytest.approx(0.5)
    preview.show(JOB, "Red ball", place, rough(make_ball(24, 12)))  # other triangles
    assert len(bpy.data.objects) == 1 and bpy.data.objects[name].data.name == mesh_name
    assert len(item.data.polygons) == len(make_ball(24, 12)["faces"])
    assert not item.data.validate()
    shown = item.data.color_attributes["Colour"].data[0].color_srgb[:]
    assert np.allclose(shown, (1.0, 128 / 255, 0.0, 1.0), atol=1e-3)
    assert len(item.data.color_attributes) == 1


def test_result_takes_the_previews_place(arrays):
    place = placement.Place(bpy.context.scene.name)
    item = bpy.data.objects[preview.show(JOB, "Red ball", place, rough(arrays))]
    item.location = (5.0, 0.0, 0.0)
    own = bpy.data.collections.new("Kitchen")
    bpy.context.scene.collection.children.link(own)
    own.objects.link(item)
    item.modifiers.new("Bend it", "SIMPLE_DEFORM")
    child = bpy.data.objects.new("label", None)
    child.parent = item
    result = give(arrays)
    assert [one.name for one in result.modifiers] == ["Bend it"] and child.parent == result
    assert np.allclose(result.location, (5.0, 0.0, 0.0))
    assert {collection.name for collection in result.users_collection} == {"Maquette", "Kitchen"}
    assert preview.find(JOB) is None
    assert inventory()["objects"] == ["Red ball", "label"]
    assert inventory()["meshes"] == ["Red ball"]
    assert inventory()["materials"] == ["Red ball"]


def test_a_broken_preview_changes_nothing(arrays):
    place = placement.Place(bpy.context.scene.name)
    item = bpy.data.objects[preview.show(JOB, "Red ball", place, rough(arrays))]
    count = len(item.data.vertices)
    bad = rough(arrays)
    bad["faces"] = bad["faces"] + np.int32(5000)
    with pytest.raises(BrokenMesh):
        preview.show(JOB, "Red ball", place, bad)
    assert len(item.data.vertices) == count


def test_previews_of_other_jobs_are_swept(arrays):
    place = placement.Place(bpy.context.scene.name)
    preview.show("one", "One", place, rough(arrays))
    preview.show("two", "Two", place, rough(arrays))
    bpy.ops.mesh.primitive_cube_add()
    assert preview.sweep({"two"}) == ["one"]
    assert preview.find("one") is None and preview.find("two") is not None
    assert len(bpy.data.objects) == 2
