# SPDX-License-Identifier: GPL-3.0-or-later
"""What artists do while a job runs: rename, hide, delete and share its object, edit it, go to another scene, save and
open the file again. The result arrives where it belongs, or says why it cannot."""

from __future__ import annotations

from collections.abc import Callable

import bpy
import numpy as np
import pytest

import blender_addon as maquette
from blender_addon import compat, filemark, link
from blender_addon.apply import preview
from blender_addon.batch import staging

from .outcomes import Case, cases
from .test_whole import answer, planned, texture_of

SETTINGS = {
    "texture": {"prompt": "moss"}, "inpaint": {}, "remove": {"faces": [0, 1]}, "rig": {},
    "edit": {"prompt": "a pear", "hide_original": True},
}


@pytest.fixture
def every(make_ball, make_png) -> dict[str, Case]:
    pixels = np.random.default_rng(5).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return cases(make_ball(), np.frombuffer(make_png(pixels), np.uint8), np.zeros(1, np.uint8))


@pytest.fixture
def asked(fake_hub, every, tmp_path) -> Callable[..., tuple[bpy.types.Object, maquette.Handle]]:
    """A stone that wears a texture, and a job of this kind about it. Nothing moves until `wait` is called."""
    def ask(kind: str):
        case = every[kind]
        answer(tmp_path, kind, case.arrays, case.report)
        stone = staging.built(bpy.context.scene, planned("inpaint", every["inpaint"], tmp_path / "stage")).items[0]
        stone.location = (1.0, 2.0, 3.0)
        for face in stone.data.polygons:
            face.select = face.index < 2
        bpy.context.view_layer.update()
        return stone, getattr(maquette, kind)(stone, **SETTINGS[kind])

    return ask


def changed(kind: str, stone) -> bool:
    """Has the result come to this object?"""
    if kind == "rig":
        return stone.parent is not None and "Armature" in stone.modifiers
    if kind == "edit":
        return stone.hide_render
    return stone.get("maquette_job") is not None


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_renamed_object_gets_its_result(kind, asked):
    stone, handle = asked(kind)
    stone.name = "Boulder"
    stand_in = bpy.data.objects.new("stone", bpy.data.meshes.new("Other"))  # its name is taken, too
    bpy.context.scene.collection.objects.link(stand_in)
    if compat.session_id(stone) is None:
        pytest.skip("this Blender has no numbers that stay")
    assert handle.wait(timeout=60.0) is not None
    assert changed(kind, stone) and not changed(kind, stand_in)
    assert link.current().history.get(handle.id).target == "Boulder"


@pytest.mark.parametrize("kind", SETTINGS)
def test_what_cannot_be_seen_gets_its_result_all_the_same(kind, asked):
    """In a collection that was excluded meanwhile."""
    stone, handle = asked(kind)
    bpy.context.view_layer.layer_collection.children["Maquette"].exclude = True
    selected = list(bpy.context.view_layer.objects.selected)
    assert handle.wait(timeout=60.0) is not None
    assert changed(kind, stone)
    assert list(bpy.context.view_layer.objects.selected) == selected and bpy.context.mode == "OBJECT"
    assert not [one for one in bpy.data.collections if one.name.startswith("Maquette edit")]


@pytest.mark.parametrize("kind", SETTINGS)
def test_another_scene_may_be_open(kind, asked):
    stone, handle = asked(kind)
    home, other = bpy.context.scene, bpy.data.scenes.new("Other")
    bpy.context.window.scene = other
    assert handle.wait(timeout=60.0) is not None
    assert changed(kind, stone) and len(other.collection.all_objects) == 0
    assert all(item.name in home.collection.all_objects for item in bpy.data.objects)


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_deleted_object_costs_nothing_that_was_made(kind, asked, every):
    stone, handle = asked(kind)
    mesh = stone.data
    bpy.data.objects.remove(stone)
    bpy.data.meshes.remove(mesh)
    if kind == "inpaint":  # a texture alone: it fits what is not there any more
        with pytest.raises(maquette.wire.errors.BadRequest, match="no mesh called stone") as refused:
            handle.wait(timeout=60.0)
        assert "history" in refused.value.hint and not bpy.data.objects
        return
    made = handle.wait(timeout=60.0)
    assert made is not None and made.users_scene
    meshes = [item for item in bpy.data.objects if item.type == "MESH"]
    assert [len(item.data.polygons) for item in meshes] == [224]
    if kind in ("texture", "remove"):
        assert texture_of(meshes[0]) == every[kind].arrays["base_colour"].tobytes()


@pytest.mark.parametrize("kind", ["texture", "rig"])
def test_a_mesh_that_is_being_edited_is_left_alone(kind, asked):
    """A script in the background may leave it so; in a window the result waits, see `hands_full`."""
    stone, handle = asked(kind)
    bpy.context.view_layer.objects.active = stone
    bpy.ops.object.mode_set(mode="EDIT")
    made = handle.wait(timeout=60.0)
    assert bpy.context.mode == "EDIT_MESH" and bpy.context.object == stone and not changed(kind, stone)
    assert made is not None and len([item for item in bpy.data.objects if item.type == "MESH"]) == 2


@pytest.mark.parametrize("kind", ["texture", "inpaint", "remove"])
def test_instances_share_what_is_done_to_their_mesh(kind, asked):
    stone, handle = asked(kind)
    twin = bpy.data.objects.new("Twin", stone.data)
    bpy.context.scene.collection.objects.link(twin)
    assert handle.wait(timeout=60.0) == stone
    assert twin.data == stone.data and twin.get("maquette_job") is None


def test_a_linked_object_is_refused_before_anything_is_sent(addon, tmp_path, make_ball):
    mesh = bpy.data.meshes.new("Lamp")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    bpy.data.libraries.write(str(tmp_path / "lamp.blend"), {bpy.data.objects.new("Lamp", mesh)})
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "lamp.blend"), link=True) as (_, wanted):
        wanted.objects = ["Lamp"]
    lamp = wanted.objects[0]
    bpy.context.scene.collection.objects.link(lamp)
    for ask in (lambda: maquette.texture(lamp, "moss"), lambda: maquette.rig(lamp), lambda: maquette.remove(lamp)):
        with pytest.raises(maquette.wire.errors.BadRequest, match="linked from another file"):
            ask()
    assert len(link.current().jobs) == 0


def test_a_file_saved_with_a_preview_and_opened_again_gets_its_result(fake_hub, tmp_path):
    """In the same session: the preview that was saved is the one that becomes the result."""
    path = str(tmp_path / "scene.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    handle = maquette.generate("slow ball")
    while preview.find(handle.id) is None:
        link.current().pump(0.05)
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=path)
    shown = preview.find(handle.id)
    assert shown is not None and link.current().jobs.get(handle.id).file == filemark.current()
    assert handle.wait(timeout=60.0) == shown and [item.name for item in bpy.data.objects] == ["Slow ball"]


def test_a_result_that_breaks_the_way_in_is_tried_once(fake_hub, monkeypatch):
    """Held while a mode is on; a fault of ours on landing must not come back with every tick."""
    busy, tried = [True], []
    monkeypatch.setattr(compat, "hands_full", lambda: busy[0])
    handle = maquette.generate("ball")
    job = link.current().jobs.get(handle.id)
    while job.state != "HELD":
        link.current().pump(0.05)

    def fault(*_):
        tried.append(1)
        raise AttributeError("a fault of ours")

    monkeypatch.setattr(link.current().arrivals, "_land", fault)
    busy[0] = False
    with pytest.raises(AttributeError):
        link.current().pump()
    for _ in range(3):
        link.current().pump()
    assert len(tried) == 1


@pytest.mark.parametrize("meanwhile", ["nothing", "another", "sculpting"])
def test_what_is_new_is_selected_unless_the_artist_has_gone_on_to_something_else(fake_hub, meanwhile):
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    handle = maquette.generate("ball")
    if meanwhile == "another":
        bpy.ops.mesh.primitive_plane_add()
    elif meanwhile == "sculpting":
        bpy.ops.object.mode_set(mode="SCULPT")
    before = [item.name for item in bpy.context.view_layer.objects.selected], bpy.context.view_layer.objects.active
    made = handle.wait(timeout=60.0)
    now = [item.name for item in bpy.context.view_layer.objects.selected], bpy.context.view_layer.objects.active
    assert now == ((["Ball"], made) if meanwhile == "nothing" else before)
    assert meanwhile != "nothing" or not cube.select_get()


def test_several_new_ones_are_selected_together(fake_hub, every, tmp_path):
    answer(tmp_path, "variations", every["variations"].arrays, every["variations"].report)
    first = maquette.variations("a ball", count=3).wait(timeout=60.0)
    assert len(bpy.context.view_layer.objects.selected) == 3 and bpy.context.view_layer.objects.active == first
