# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of work arrives whole: in a .blend that the shell asks for, in one of a batch inside Blender, in a .glb,
and through the scripting API without a window."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Matrix

import blender_addon as maquette
from blender_addon import identities
from blender_addon.apply import armature, material
from blender_addon.apply.image import image_from_png
from blender_addon.batch import assemble, command, staging
from protocol.batch import shelf
from protocol.skeleton import Skeleton
from protocol.specs import spec_from_map

from .outcomes import JOINTS, Case, cases
from .test_words_learned import identity

KINDS = ("text_to_3d", "variations", "texture", "inpaint", "remove", "edit", "segment", "avatar", "rig", "animate")
ON_A_MESH = ("texture", "inpaint", "remove", "segment", "rig")


@pytest.fixture
def every(make_ball, make_png) -> dict[str, Case]:
    pixels = np.random.default_rng(5).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return cases(make_ball(), np.frombuffer(make_png(pixels), np.uint8), np.frombuffer(identity("blorp"), np.uint8))


def planned(kind: str, case: Case, folder: Path, facts: dict | None = None) -> dict:
    """A result of this kind as the shell writes it down."""
    folder.mkdir(exist_ok=True)
    np.savez(folder / "a.npz", **case.arrays)
    if case.stage:
        np.savez(folder / "s.npz", **case.stage)
    (folder / "report.json").write_text(json.dumps(case.report))
    facts = {"target": "stone"} if facts is None else facts
    return shelf.subject(spec_from_map(kind, case.spec), "1" * 32, folder / "a.npz", folder / "s.npz",
                         folder / "report.json", facts=facts)


def opened(path: Path) -> dict[str, bpy.types.Object]:
    bpy.ops.wm.open_mainfile(filepath=str(path))
    return {item.name: item for item in bpy.context.scene.objects}


def written(path: Path, entries: list[dict]) -> dict[str, bpy.types.Object]:
    """A plan, followed, saved and opened again."""
    (path.parent / "plan.json").write_text(json.dumps({"file": str(path), "objects": entries}))
    assemble.main(str(path.parent / "plan.json"))
    return opened(path)


def texture_of(item) -> bytes:
    """The file of the image that most of its faces wear."""
    used = np.empty(len(item.data.polygons), np.int32)
    item.data.polygons.foreach_get("material_index", used)
    material = item.material_slots[int(np.bincount(used).argmax())].material
    trees = [material.node_tree, *(node.node_tree for node in material.node_tree.nodes if node.type == "GROUP")]
    (image,) = {node.image for tree in trees for node in tree.nodes if node.type == "TEX_IMAGE"}
    return bytes(image.packed_file.data)


def judge(kind: str, case: Case, items: dict[str, bpy.types.Object]) -> None:
    """Is it what stands in an artist's scene after this kind of job?"""
    found = sorted((item.type, len(item.data.polygons) if item.type == "MESH" else 0) for item in items.values())
    faces = 224
    if kind == "variations":
        assert found == [("MESH", faces)] * 3
        assert sorted(round(item.location.x, 3) for item in items.values()) == [-1.5, 0.0, 1.5]
        assert sorted(item["maquette_seed"] for item in items.values()) == ["4", "5", "6"]
    elif kind in ("avatar", "rig"):
        assert found == [("ARMATURE", 0), ("MESH", faces)]
        mesh, rig = (next(one for one in items.values() if one.type == type_) for type_ in ("MESH", "ARMATURE"))
        assert mesh.parent == rig and [one.object for one in mesh.modifiers] == [rig]
        assert [bone["maquette_joint"] for bone in rig.data.bones] == list(JOINTS)
        assert len(mesh.vertex_groups) == 3 and mesh.data.vertices[0].groups[0].weight == pytest.approx(0.75)
        assert mesh.data.materials and texture_of(mesh)
    elif kind == "animate":
        assert found == [("ARMATURE", 0)]
        rig = next(iter(items.values()))
    else:
        assert found == [("MESH", faces)]
        item = next(iter(items.values()))
        if kind == "segment":
            assert [face.index for face in item.data.polygons if face.select] == [0, 1]
        elif kind in ("texture", "inpaint"):
            assert len(item.material_slots) == 2, "what it wore stays beside"
            assert texture_of(item) == case.arrays["base_colour"].tobytes()
    if kind in ("avatar", "animate"):
        action = rig.animation_data.action
        assert tuple(action.frame_range) == (1.0, 30.0) and action["maquette_job"]
        scene = bpy.context.scene
        assert (scene.render.fps, scene.frame_start, scene.frame_end) == (30, 1, 30)
        scene.frame_set(30)
        turned = rig.pose.bones[[bone.get("maquette_joint") for bone in rig.data.bones].index("Spine")]
        assert turned.rotation_quaternion[1] == pytest.approx(np.sin(np.arctan(0.5)), abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_shells_blend_holds_it_whole(kind, every, tmp_path):
    items = written(tmp_path / "one.blend", [planned(kind, every[kind], tmp_path / kind)])
    judge(kind, every[kind], items)
    assert all(item.name in bpy.data.collections["Maquette"].objects for item in items.values())


def test_all_kinds_stand_apart_in_one_file(every, tmp_path):
    kinds = [kind for kind in KINDS if kind != "animate"]
    entries = [planned(kind, every[kind], tmp_path / kind) for kind in kinds]
    items = written(tmp_path / "all.blend", entries)
    bpy.context.view_layer.update()
    roots = [item for item in items.values() if item.parent is None]
    assert len(roots) == 11  # one each, and three variations
    places = np.array([item.matrix_world.translation[:2] for item in roots])
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1) + 9.0 * np.eye(len(places))
    assert apart.min() > 1.0, "nothing stands in something else, a ball is 1 m wide"


def test_a_place_is_kept_by_what_belongs_together(every, tmp_path):
    entries = [planned(kind, every[kind], tmp_path / kind) | {"place": [3.0, 4.0, 5.0]} for kind in ("rig", "avatar")]
    items = written(tmp_path / "placed.blend", entries)
    bpy.context.view_layer.update()
    for item in items.values():
        assert tuple(item.matrix_world.translation) == pytest.approx((3.0, 4.0, 5.0))


def test_pictures_and_masks_come_as_images(every, make_png, tmp_path):
    png = [np.frombuffer(make_png(np.full((4, 4, 3), grey, np.uint8)), np.uint8) for grey in (10, 200)]
    inpaint = Case({"verb": "remove"}, {"picture": png[0]}, {"picture": png[1]}, {})
    mask = Case({"name": "wall"}, {"picture": png[0]}, {"mask": png[1]}, {})
    entries = [planned(kind, case, tmp_path / kind, {"target": target})
               for kind, case, target in (("inpaint", inpaint, "wall"), ("segment", mask, "floor"))]
    assert written(tmp_path / "p.blend", entries) == {}
    assert {"wall", "wall inpainted", "floor mask"} <= set(bpy.data.images.keys())
    assert bytes(bpy.data.images["wall inpainted"].packed_file.data) == png[1].tobytes()


# --- a batch inside Blender -------------------------------------------------------------------------------------------


def dress(item, make_png) -> None:
    """UVs are there; a material with a texture of its own."""
    image = image_from_png("Planks", make_png(np.full((16, 16, 3), 90, np.uint8)))
    item.data.materials.append(material.textured("Wood", "Wood", image, 0.5, 0.0, item.data.uv_layers[0].name))


def answer(tmp_path, kind: str, arrays: dict, report: dict) -> None:
    """Let the scripted hub end jobs of this kind with this."""
    np.savez(tmp_path / f"{kind}.npz", **arrays, report=np.frombuffer(json.dumps(report).encode(), np.uint8))


OBJECTS = """
defaults: {retries: 0, blend: all, inputs: {object: Crate}}
jobs:
  - {kind: texture, prompt: moss}
  - {kind: inpaint, verb: remove}
  - {kind: rig, creature: prop}
  - {kind: texture, prompt: rust, place: [9, 9, 1]}
  - {kind: variations, prompt: a ball, count: 3, inputs: {}}
  - {kind: avatar, prompt: a knight, motion: walks, inputs: {}, name: Knight}
  - {kind: learn, word: blorp, noun: mug, inputs: {picture_0: p.png, picture_1: p.png, picture_2: p.png}}
  - {kind: animate, prompt: bows, inputs: {object: Bones}}
"""


def test_objects_of_the_open_file_come_back_with_what_was_made(fake_hub, every, make_png, tmp_path, capsys):
    bpy.ops.mesh.primitive_cube_add(size=2.0, location=(1.0, 2.0, 3.0))
    crate = bpy.context.object
    crate.name, crate.scale = "Crate", (1.0, 1.0, 0.5)
    dress(crate, make_png)
    crate.modifiers.new("Rounded", "BEVEL")
    crate["mine"] = 7
    for face in crate.data.polygons:
        face.select = face.normal.z > 0.5
    joints = every["animate"].stage
    rig = armature.build_armature("Bones", Skeleton.from_arrays(joints), list(JOINTS), Matrix(), 1.0,
                                  [bpy.context.scene.collection])
    follower = bpy.data.objects.new("Skin", bpy.data.meshes.new("Skin"))
    bpy.context.scene.collection.objects.link(follower)
    follower.modifiers.new("Armature", "ARMATURE").object = rig
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "props.blend"))

    texture = every["texture"].arrays
    cube = np.ones((8, 1), np.float32)
    weights = {"weights": np.hstack([cube, np.zeros((8, 3), np.float32)]), "weight_joints": np.zeros((8, 4), np.uint16)}
    for kind, arrays, report in (
        ("texture", texture, {"seed": 1}), ("inpaint", texture, {"seed": 1}),
        ("rig", {**joints, **weights}, {"naming": "blender"}),
        *((kind, every[kind].arrays, every[kind].report) for kind in ("variations", "avatar", "learn", "animate")),
    ):
        answer(tmp_path, kind, arrays, report)
    (tmp_path / "p.png").write_bytes(make_png(np.zeros((8, 8, 3), np.uint8)))
    (tmp_path / "m.yaml").write_text(OBJECTS)
    assert command.main(["batch", str(tmp_path / "m.yaml")]) == 0, capsys.readouterr()
    assert [one.word for one in identities.mine().all()] == ["blorp"]

    items = opened(tmp_path / "m" / "all.blend")
    bpy.context.view_layer.update()
    crates = [item for item in items.values() if item.get("mine") == 7]
    assert len(crates) == 4 and all(item.modifiers["Rounded"].type == "BEVEL" for item in crates)
    assert all(tuple(item.scale) == pytest.approx((1.0, 1.0, 0.5)) for item in crates)
    painted = [item for item in crates if "Armature" not in item.modifiers]
    assert all(texture_of(item) == texture["base_colour"].tobytes() for item in painted if len(item.data.materials) > 1
               and item.data.materials[-1].name.startswith("Crate"))
    lids = [item for item in crates if item.data.materials[-1].name.startswith("Wood painted")]
    assert len(lids) == 1, "the inpainted one wears a copy of its own material"
    assert any(tuple(item.matrix_world.translation) == pytest.approx((9.0, 9.0, 1.0)) for item in crates)
    rigged = next(item for item in crates if "Armature" in item.modifiers)
    assert rigged.modifiers["Armature"].object.type == "ARMATURE" and rigged.parent
    bones = items["Bones"]
    assert bones.animation_data.action and items["Skin"].modifiers["Armature"].object == bones
    assert sum(item.get("maquette_variation_of") is not None for item in items.values()) == 3
    assert items["Knight"].parent.animation_data.action is not None


# --- .glb -------------------------------------------------------------------------------------------------------------


def glb(path: Path) -> dict:
    data = path.read_bytes()
    (size,) = struct.unpack("<I", data[12:16])
    return json.loads(data[20 : 20 + size])


@pytest.mark.parametrize("kind", ["avatar", "rig", "animate", "texture"])
def test_a_glb_holds_skeleton_and_motion(kind, every, tmp_path):
    assert assemble.write_glb(tmp_path / "m.glb", planned(kind, every[kind], tmp_path / kind))
    found = glb(tmp_path / "m.glb")
    joints = {"Hips", "Spine", "Head"} & {node.get("name") for node in found["nodes"]}
    assert bool(joints) == (kind != "texture")
    assert any("skin" in node for node in found["nodes"]) == (kind in ("avatar", "rig"))
    assert len(found.get("animations", [])) == (kind in ("avatar", "animate"))
    assert ("meshes" in found) == (kind != "animate")


# --- scripts without a window -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["variations", "avatar", "texture", "rig", "animate"])
def test_a_script_gets_it_whole(fake_hub, kind, every, make_ball, tmp_path):
    case = every[kind]
    answer(tmp_path, kind, case.arrays, case.report)
    bpy.context.scene.render.fps = 30
    ask = getattr(maquette, kind)
    if kind in ("texture", "rig"):
        stone = staging.built(bpy.context.scene, planned("texture", every["texture"], tmp_path / "stage")).items[0]
        handle = ask(stone, **{"texture": {"prompt": "moss"}, "rig": {}}[kind])
    elif kind == "animate":
        bones = staging.built(bpy.context.scene, planned(kind, case, tmp_path / "stage")).items[0]
        handle = ask(bones, "bows")
    else:
        handle = ask(**case.spec)
    assert handle.wait(timeout=60.0) is not None
    bpy.context.scene.frame_end = 30
    judge(kind, case, {item.name: item for item in bpy.context.scene.objects})
