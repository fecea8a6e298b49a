# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on a piece of what is there: what counts as selected, what a mesh wears, and how the results come back."""

from __future__ import annotations

import io

import bpy
import numpy as np
import pytest
from mathutils import Vector
from PIL import Image

from blender_addon import compat, kinds, wire
from blender_addon.apply import inpainting as inpainted
from blender_addon.apply import removing as removed
from blender_addon.apply import selecting as selected
from blender_addon.apply.mesh import BrokenMesh
from blender_addon.apply.placement import Place
from blender_addon.apply.result import Delivery
from blender_addon.capture import appearance, clicks, inpainting, meshes, pictures, removing, selection

JOB = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def crate(addon):
    """A cube of six quads; the side towards +X is of iron, the others of wood."""
    bpy.ops.mesh.primitive_cube_add(size=2.0, location=(1.0, 2.0, 3.0))
    item = bpy.context.object
    item.name = "Crate"
    for name in ("Wood", "Iron"):
        item.data.materials.append(bpy.data.materials.new(name))
    item.data.polygons[at(item, (1, 0, 0))].material_index = 1
    select(item, [at(item, (0, 0, 1))])
    item.vertex_groups.new(name="Lid").add([one.index for one in item.data.vertices if one.co.z > 0], 1.0, "REPLACE")
    return item


def at(item, normal) -> int:
    """Number of the polygon that looks this way."""
    return max(item.data.polygons, key=lambda one: one.normal.dot(Vector(normal))).index


def select(item, polygons) -> None:
    for group in (item.data.vertices, item.data.edges):
        group.foreach_set("select", np.zeros(len(group), bool))
    chosen = np.zeros(len(item.data.polygons), bool)
    chosen[polygons] = True
    item.data.polygons.foreach_set("select", chosen)


def textured(material, pixels: np.ndarray, name="Planks") -> bpy.types.Image:
    """Have a material show an image through a Hue node inside a node group, as an artist might."""
    height, width = pixels.shape[:2]
    image = bpy.data.images.new(name, width, height)
    image.pixels.foreach_set((pixels[::-1].astype(np.float32) / 255.0).ravel())
    image.pack()
    group = bpy.data.node_groups.new("Looks", "ShaderNodeTree")
    compat.new_output(group, "Paint", "NodeSocketColor")
    inside, hue, picture = (
        group.nodes.new(one) for one in ("NodeGroupOutput", "ShaderNodeHueSaturation", "ShaderNodeTexImage")
    )
    picture.image = image
    group.links.new(picture.outputs["Color"], hue.inputs["Color"])
    group.links.new(hue.outputs["Color"], inside.inputs["Paint"])
    compat.enable_nodes(material)
    outer = material.node_tree.nodes.new("ShaderNodeGroup")
    outer.node_tree = group
    surface = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    material.node_tree.links.new(outer.outputs["Paint"], surface.inputs["Base Color"])
    return image


def random_pixels(height=6, width=9, seed=1) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    return pixels


def decoded(data: np.ndarray | bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(bytes(data))))


def delivery(arrays, **changes) -> Delivery:
    values = {"job_id": JOB, "prompt": "old wood", "name": "", "place": Place(bpy.context.scene.name),
              "arrays": arrays, "report": {"seed": 4}, "target": "Crate"}
    return Delivery(**(values | changes))


def png_array(pixels: np.ndarray) -> np.ndarray:
    return pictures.as_input(pictures.png(pixels))


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4)])
def test_pngs_are_what_another_decoder_reads(shape):
    pixels = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(decoded(pictures.png(pixels)), pixels)


def test_an_unsaved_stroke_goes_in_and_an_untouched_file_goes_as_it_is(crate, tmp_path):
    pixels = random_pixels()
    path = tmp_path / "one.png"
    path.write_bytes(pictures.png(pixels))
    image = bpy.data.images.load(str(path))
    assert pictures.file_bytes(image) == path.read_bytes()
    values = np.array(image.pixels[:], np.float32)
    values[:4] = (1.0, 0.0, 0.0, 1.0)  # the lower left corner
    image.pixels.foreach_set(values)
    image.update()
    got = decoded(pictures.file_bytes(image))
    assert got[-1, 0].tolist() == [255, 0, 0, 255] and np.array_equal(got[:-1], pixels[:-1])


def test_a_float_picture_is_encoded(addon):
    image = bpy.data.images.new("Light", 2, 1, float_buffer=True)
    image.pixels.foreach_set(np.array([0.2158605, 0.0, 1.0, 1.0] * 2, np.float32))
    assert decoded(pictures.file_bytes(image))[0, 0, :3].tolist() == [128, 0, 255]  # sRGB of 0.2159 is 128 / 255


def test_what_is_no_single_picture_is_refused(addon):
    tiles = bpy.data.images.new("Tiles", 4, 4, tiled=True)
    missing = bpy.data.images.new("Missing", 4, 4)
    missing.source, missing.filepath = "FILE", "/nowhere.png"
    for image, said in ((tiles, "UDIM"), (missing, "no pixels")):
        with pytest.raises(wire.errors.BadRequest, match=said):
            pictures.check(image)


# --- what is selected, what is worn -----------------------------------------------------------------------------------


def test_faces_groups_and_masks_select_the_same(crate):
    lid = at(crate, (0, 0, 1))
    assert np.flatnonzero(selection.polygons(crate, "FACES")).tolist() == [lid]
    assert np.flatnonzero(selection.polygons(crate, "GROUP", "Lid")).tolist() == [lid]
    meshes.triangles(crate.data)
    assert int(selection.inputs(crate, "FACES")["selected"].sum()) == 2  # triangles
    mask = bpy.data.images.new("Mask", 4, 2)
    mask.pixels.foreach_set(np.array([0, 0, 0, 1] * 7 + [1, 1, 1, 1], np.float32))
    got = decoded(selection.inputs(crate, "MASK", mask="Mask")["mask"])
    assert got.shape == (2, 4) and np.argwhere(got).tolist() == [[0, 3]] and got.max() == 255


def test_a_mesh_in_edit_mode_goes_in_as_it_is_there(crate):
    still = meshes.triangles(crate.data)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    with meshes.at_rest("Crate") as item:
        arrays = meshes.triangles(item.data)
        assert selection.polygons(item, "FACES").all() and selection.polygons(item, "GROUP", "Lid").sum() == 1
        assert all(np.array_equal(arrays[name], still[name]) for name in still) and "uvs" in arrays
    assert crate.mode == "EDIT" and len(bpy.data.objects) == 1 and len(bpy.data.meshes) == 1
    properties = bpy.context.scene.maquette
    properties.kind = "inpaint"
    assert kinds.complaint(bpy.context) == ""
    bpy.ops.mesh.select_all(action="DESELECT")
    assert kinds.complaint(bpy.context) == "Select faces"


@pytest.mark.parametrize("case", ["no face", "no group", "black mask", "no mask"])
def test_a_selection_of_nothing_has_a_clear_answer(crate, case):
    meshes.triangles(crate.data)
    select(crate, [])
    bpy.data.images.new("Black", 4, 4)
    calls = {
        "no face": (("FACES",), "No face of Crate"), "no group": (("GROUP", "Gone"), "no vertex group"),
        "black mask": (("MASK", "", "Black"), "black"), "no mask": (("MASK",), "Choose the image"),
    }
    arguments, said = calls[case]
    with pytest.raises(wire.errors.BadRequest, match=said):
        selection.inputs(crate, *arguments)


def test_a_texture_is_found_through_groups_and_other_nodes(crate):
    pixels = random_pixels()
    image = textured(crate.data.materials["Wood"], pixels)
    lid = selection.polygons(crate, "FACES")
    worn = appearance.worn(crate, lid)
    assert (worn.slots, worn.image, worn.uv_map) == ((0,), image.name, "UVMap")
    assert np.array_equal(decoded(worn.file())[..., :3], pixels[..., :3])
    with pytest.raises(wire.errors.BadRequest, match="2 materials"):
        appearance.worn(crate)
    iron = np.zeros(6, bool)
    iron[at(crate, (1, 0, 0))] = True
    plain = appearance.worn(crate, iron)
    assert plain.image == "" and plain.slots == (1,)
    even = decoded(plain.file())
    assert even.shape == (1024, 1024, 3) and len(np.unique(even.reshape(-1, 3), axis=0)) == 1


# --- inpainting -------------------------------------------------------------------------------------------------------


def test_only_faces_that_wear_the_texture_go_in(crate):
    textured(crate.data.materials["Wood"], random_pixels())
    properties = bpy.context.scene.maquette
    properties.kind, properties.verb, properties.prompt = "inpaint", "fill", "a brass plate"
    kind = kinds.chosen(properties)
    spec = kind.spec(bpy.context, properties)
    assert (spec.verb, spec.rig, spec.prompt) == ("fill", "facing", "a brass plate")
    options = kind.options(bpy.context, properties, "Crate", spec)
    arrays = kind.inputs(bpy.context, properties, "Crate", spec, options)
    assert arrays["faces"].shape == (10, 3) and arrays["uvs"].shape == (30, 2) and arrays["selected"].shape == (10,)
    lid = arrays["vertices"][arrays["faces"][arrays["selected"] == 1]]
    assert (lid[..., 2] == 1.0).all() and len(lid) == 2
    properties.prompt = ""
    assert "Type what shall be there" in kinds.complaint(bpy.context)
    properties.verb = "remove"
    assert kinds.complaint(bpy.context) == ""


def test_the_new_texture_comes_in_a_copy_of_the_material(crate):
    old = textured(crate.data.materials["Wood"], random_pixels(seed=1))
    options = inpainting.options_of("Crate", "FACES")
    fresh = random_pixels(seed=2)
    assert inpainted.deliver(delivery({"base_colour": png_array(fresh)}, options=options)) == "Crate"
    names = [one.name for one in crate.data.materials]
    assert names == ["Wood", "Iron", "Wood painted"]
    iron = at(crate, (1, 0, 0))
    assert [one.material_index for one in crate.data.polygons if one.index != iron] == [2] * 5
    assert crate.data.polygons[iron].material_index == 1
    worn = appearance.worn(crate, selection.polygons(crate, "FACES"))
    assert np.array_equal(decoded(worn.file()), fresh) and worn.image == "Planks inpainted"
    first = appearance.texture_node(crate.data.materials["Wood"].node_tree.nodes["Principled BSDF"].inputs[0])
    assert first.image == old  # the artist's own still shows the old one
    again = random_pixels(seed=3)
    inpainted.deliver(delivery({"base_colour": png_array(again)}, options=inpainting.options_of("Crate", "FACES")))
    assert [one.name for one in crate.data.materials] == names  # no further slot
    worn = appearance.worn(crate, selection.polygons(crate, "FACES"))
    assert np.array_equal(decoded(worn.file()), again)


def test_a_plain_material_gets_its_first_texture(crate):
    options = inpainting.options_of("Crate", "FACES")
    fresh = random_pixels()
    inpainted.deliver(delivery({"base_colour": png_array(fresh)}, options=options))
    worn = appearance.worn(crate, selection.polygons(crate, "FACES"))
    assert np.array_equal(decoded(worn.file()), fresh) and worn.uv_map == "UVMap"
    assert crate.data.polygons[at(crate, (1, 0, 0))].material_index == 1


def test_a_picture_comes_beside_the_old_one(addon):
    image = bpy.data.images.new("Wall", 4, 4)
    mask = bpy.data.images.new("Mask", 4, 4)
    properties = bpy.context.scene.maquette
    properties.verb = "remove"
    with pytest.raises(wire.errors.BadRequest, match="mask"):
        inpainting.picture_spec_from(bpy.context, properties, image)
    properties.mask = mask
    assert inpainting.picture_spec_from(bpy.context, properties, image).name == "Wall"
    options = inpainting.picture_options(image, mask)
    fresh = random_pixels(4, 4)
    name = inpainted.deliver(delivery({"picture": png_array(fresh)}, target="Wall", options=options))
    assert name == "Wall inpainted" and tuple(image.size) == (4, 4)
    assert np.array_equal(decoded(pictures.file_bytes(bpy.data.images[name])), fresh)
    assert kinds.find("inpaint").found(name, options) == bpy.data.images[name]


# --- removing ---------------------------------------------------------------------------------------------------------


def without(item, gone: set[int], patch: list[list[int]], more=()) -> dict[str, np.ndarray]:
    """As the worker gives a mesh back without some polygons, with triangles over old vertices or new ones of `more`."""
    now = meshes.triangles(item.data)
    stays = np.flatnonzero(~np.isin(meshes.polygons_of(item.data), list(gone)))
    count = len(now["vertices"])
    vertices = np.concatenate([now["vertices"], np.array(more, np.float32).reshape(-1, 3)])
    faces = np.concatenate([now["faces"][stays], np.array(patch, np.int32).reshape(-1, 3)])
    used, compact = np.unique(faces, return_inverse=True)
    uvs = np.concatenate([now["uvs"].reshape(-1, 3, 2)[stays], np.full((len(patch), 3, 2), 0.25, np.float32)])
    return {
        "vertices": vertices[used], "faces": compact.reshape(-1, 3).astype(np.int32),
        "vertex_origin": np.where(used < count, used, -1).astype(np.int32),
        "face_origin": np.concatenate([stays, np.full(len(patch), -1)]).astype(np.int32),
        "uvs": uvs.reshape(-1, 2).astype(np.float32),
    }


def test_what_stays_keeps_everything_and_the_patch_fits_in(crate):
    lid = at(crate, (0, 0, 1))
    corners = list(crate.data.polygons[lid].vertices)
    crate.data.attributes.new("age", "INT", "FACE").data.foreach_set("value", np.arange(6))
    crate.shape_key_add(name="Basis")
    before = {
        tuple(sorted(one.vertices)): (one.material_index, crate.data.attributes["age"].data[one.index].value,
                                      [tuple(crate.data.uv_layers[0].data[at].uv) for at in one.loop_indices])
        for one in crate.data.polygons if one.index != lid
    }
    peak = len(crate.data.vertices)
    patch = [[corners[at], corners[(at + 1) % 4], peak] for at in range(4)]
    arrays = without(crate, {lid}, patch, more=[(0.0, 0.0, 2.0)])
    options = removing.options_of("Crate", "FACES")
    assert removed.deliver(delivery(arrays, options=options)) == "Crate"
    mesh = crate.data
    assert (len(mesh.vertices), len(mesh.polygons)) == (9, 9) and mesh.shape_keys is not None
    quads = [one for one in mesh.polygons if one.loop_total == 4]
    after = {
        tuple(sorted(one.vertices)): (one.material_index, mesh.attributes["age"].data[one.index].value,
                                      [tuple(mesh.uv_layers[0].data[at].uv) for at in one.loop_indices])
        for one in quads
    }
    assert after == before
    new = [one for one in mesh.polygons if one.loop_total == 3]
    assert all(tuple(mesh.uv_layers[0].data[at].uv) == (0.25, 0.25) for one in new for at in one.loop_indices)
    tip = max(mesh.vertices, key=lambda one: one.co.z)
    assert tuple(tip.co) == (0.0, 0.0, 2.0) and [one.group for one in tip.groups] == [0]  # weights of its neighbour
    assert all(one.normal.z > 0 for one in new) and not mesh.validate()
    assert [one.name for one in mesh.uv_layers] == ["UVMap"]


def test_a_face_may_be_closed_by_the_same_face(crate):
    lid = at(crate, (0, 0, 1))
    a, b, c, d = crate.data.polygons[lid].vertices
    arrays = without(crate, {lid}, [[a, b, c], [a, c, d]])
    removed.deliver(delivery(arrays, options=removing.options_of("Crate", "FACES")))
    assert len(crate.data.polygons) == 7 and len(crate.data.edges) == 13 and not crate.data.validate()


def test_nothing_hangs_in_the_air_afterwards(crate):
    """A whole piece goes, with its inner edges and vertices; loose ones that were there before stay."""
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.primitive_cube_add(size=1.0, location=(9.0, 2.0, 3.0))  # a second piece in the same mesh, selected
    bpy.ops.object.mode_set(mode="OBJECT")
    gone = set(np.flatnonzero(selection.polygons(crate, "FACES")).tolist())
    assert len(gone) == 6
    removed.deliver(delivery(without(crate, gone, []), options=removing.options_of("Crate", "FACES")))
    assert (len(crate.data.vertices), len(crate.data.edges), len(crate.data.polygons)) == (8, 12, 6)


def test_a_grown_texture_gets_a_uv_map_of_its_own(crate):
    old = textured(crate.data.materials["Wood"], random_pixels())
    lid = at(crate, (0, 0, 1))
    a, b, c, d = crate.data.polygons[lid].vertices
    arrays = without(crate, {lid}, [[a, b, c], [a, c, d]])
    arrays["uvs"] *= np.float32([0.5, 1.0])
    fresh = random_pixels(6, 18)
    options = removing.options_of("Crate", "FACES")
    assert options["image"] == old.name
    before = compat.read_uvs(crate.data, crate.data.uv_layers["UVMap"]).copy()
    removed.deliver(delivery(arrays | {"base_colour": png_array(fresh)}, options=options))
    mesh = crate.data
    assert [one.name for one in mesh.uv_layers] == ["UVMap", "Maquette"] and mesh.uv_layers.active.name == "UVMap"
    quads = [one for one in mesh.polygons if one.loop_total == 4]
    own = compat.read_uvs(mesh, mesh.uv_layers["UVMap"])[[at for one in quads for at in one.loop_indices]]
    new = compat.read_uvs(mesh, mesh.uv_layers["Maquette"])[[at for one in quads for at in one.loop_indices]]
    assert np.allclose(new, own * [0.5, 1.0]) and all((one == before).all(1).any() for one in own)
    worn = appearance.worn(crate, np.array([one.material_index == 2 for one in mesh.polygons]))
    assert worn.uv_map == "Maquette" and np.array_equal(decoded(worn.file()), fresh)


def test_another_mesh_by_now_is_left_alone(crate):
    arrays = without(crate, {at(crate, (0, 0, 1))}, [])
    options = removing.options_of("Crate", "FACES")
    crate.data.vertices[0].co.x -= 0.5
    name = removed.deliver(delivery(arrays, options=options))
    assert name != "Crate" and len(crate.data.polygons) == 6
    assert bpy.data.objects[name].matrix_world == crate.matrix_world


@pytest.mark.parametrize("damage", [
    lambda arrays: arrays.pop("face_origin"), lambda arrays: arrays.update(vertex_origin=np.zeros(3, np.int32)),
    lambda arrays: arrays.update(face_origin=arrays["face_origin"].astype(np.int64)),
])
def test_a_broken_result_changes_nothing(crate, damage):
    arrays = without(crate, {at(crate, (0, 0, 1))}, [])
    damage(arrays)
    with pytest.raises(BrokenMesh):
        removed.deliver(delivery(arrays))
    assert len(crate.data.polygons) == 6 and len(bpy.data.objects) == 1


def test_all_or_nothing_is_refused(crate):
    select(crate, list(range(6)))
    options = removing.options_of("Crate", "FACES")
    with pytest.raises(wire.errors.BadRequest, match="nothing would be left"):
        removing.inputs(bpy.context, bpy.context.scene.maquette, "Crate", None, options)
    properties = bpy.context.scene.maquette
    properties.kind = "remove"
    select(crate, [])
    assert "Select faces in Edit Mode" in kinds.complaint(bpy.context)


# --- clicks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["OBJECT", "EDIT"])
@pytest.mark.parametrize("add", [False, True])
def test_faces_are_selected_in_both_modes(crate, mode, add):
    meshes.triangles(crate.data)
    lid, front = at(crate, (0, 0, 1)), at(crate, (0, -1, 0))
    chosen = (meshes.polygons_of(crate.data) == front).astype(np.uint8)
    bpy.ops.object.mode_set(mode=mode)
    assert selected.deliver(delivery({"selected": chosen}, options={"add": add})) == "Crate"
    bpy.ops.object.mode_set(mode="OBJECT")
    assert set(np.flatnonzero(selection.polygons(crate, "FACES")).tolist()) == ({front, lid} if add else {front})


def test_a_click_in_a_camera_hits_what_the_camera_sees(crate):
    """The ray of the click, out of what goes in, goes through the point that Blender says is there."""
    from bpy_extras.object_utils import world_to_camera_view

    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 640, 360
    bpy.ops.object.camera_add(location=(6.0, -5.0, 7.0), rotation=(0.9, 0.1, 0.8))
    scene.camera = bpy.context.object
    crate.scale, crate.rotation_euler = (2.0, 2.0, 2.0), (0.2, 0.3, 0.4)
    bpy.context.view_layer.update()
    point = crate.matrix_world @ Vector((0.3, 0.2, 1.0))
    seen = world_to_camera_view(scene, scene.camera, point)
    x, y = seen.x * 640, (1.0 - seen.y) * 360
    spec, arrays = clicks.of_mesh(crate, clicks.through(scene), [(x, y, True)])
    assert (spec.width, spec.height) == (640, 360) and np.allclose(arrays["clicks"], [[x, y, 1.0]])
    tangent = np.tan(arrays["fields_of_view"][0] / 2.0)
    ray = np.array([(x - 320) / 180 * tangent, (180 - y) / 180 * tangent, -1.0])
    camera = arrays["cameras"][0].astype(float)
    towards = np.array([0.3, 0.2, 1.0]) - camera[:3, 3]
    assert np.allclose(camera[:3, :3] @ ray / np.linalg.norm(ray), towards / np.linalg.norm(towards), atol=1e-5)


def test_no_click_inside_is_refused(crate):
    with pytest.raises(wire.errors.BadRequest, match="Click what is meant"):
        clicks.rows([(1.0, 2.0, False)])


def test_a_mask_becomes_the_panels(addon):
    mask = np.zeros((4, 4), np.uint8)
    mask[1:3] = 255
    name = selected.deliver(delivery({"mask": png_array(mask)}, target="Wall", options={"picture": "Wall"}))
    assert bpy.context.scene.maquette.mask.name == name == "Wall mask"
    assert np.array_equal(decoded(pictures.mask(bpy.data.images[name])), mask)
