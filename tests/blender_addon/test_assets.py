# SPDX-License-Identifier: GPL-3.0-or-later
"""A result published to an asset library is found there by another file, with preview, tags and catalogue."""

from __future__ import annotations

import bpy
import pytest

from blender_addon import assets, link, preferences, wire
from blender_addon.apply.placement import Place
from blender_addon.apply.result import Delivery, deliver

JOB = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def item(addon, arrays):
    place = Place(bpy.context.scene.name)
    wanted = Delivery(JOB, "a red ball with white spots", "", place, arrays, {"preset": "draft"})
    return bpy.data.objects[deliver(wanted)]


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "assets"
    folder.mkdir()
    bpy.ops.preferences.asset_library_add(directory=str(folder))
    found = bpy.context.preferences.filepaths.asset_libraries
    yield folder
    bpy.ops.preferences.asset_library_remove(index=len(found) - 1)


def test_it_is_published_whole(item, library, make_png, monkeypatch):
    import numpy as np

    monkeypatch.setattr(preferences._DEFAULTS, "library", bpy.context.preferences.filepaths.asset_libraries[-1].name)
    link.current().history.set_picture(JOB, make_png(np.full((32, 32, 3), 200, np.uint8)))
    bpy.context.view_layer.objects.active = item
    assert bpy.ops.maquette.publish() == {"FINISHED"}
    assert item.asset_data is None and item.name == "Red ball with white spots"  # as it was
    (path,) = (library / "Maquette").glob("*.blend")
    assert (library / assets.CATALOGUE_FILE).read_text().count(assets.CATALOGUE) == 1
    assets.publish(item)
    assert (library / assets.CATALOGUE_FILE).read_text().count(assets.CATALOGUE) == 1

    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(path), assets_only=True) as (inside, wanted):
        assert inside.objects == ["Red ball with white spots"]
        wanted.objects = list(inside.objects)
    found = wanted.objects[0]
    assert {tag.name for tag in found.asset_data.tags} >= {"maquette", "red", "ball", "white", "spots"}
    assert "with" not in {tag.name for tag in found.asset_data.tags}
    assert found.asset_data.catalog_id == assets.CATALOGUE
    assert found.asset_data.description == "a red ball with white spots"
    assert tuple(found.preview.image_size) == (32, 32)
    assert len(found.data.materials) == 1 and bpy.data.images[0].packed_file is not None


def test_what_cannot_be_published_says_why(item, tmp_path, monkeypatch):
    bpy.ops.mesh.primitive_cube_add()
    assert "that Maquette has made" in assets.complaint(bpy.context.object)
    assert assets.complaint(None)
    monkeypatch.setattr(preferences._DEFAULTS, "library", "no such library")
    assert "does not exist" in assets.complaint(item)
    with pytest.raises(wire.errors.BadRequest):
        assets.publish(item)


def test_a_folder_that_cannot_be_written_is_told(item, library, monkeypatch):
    monkeypatch.setattr(preferences._DEFAULTS, "library", bpy.context.preferences.filepaths.asset_libraries[-1].name)
    (library / "Maquette").write_text("a file where the folder should be")
    with pytest.raises(wire.errors.OutOfSpace, match="cannot be written"):
        assets.publish(item)
    assert item.asset_data is None


def test_tags_are_the_words_somebody_would_search_for():
    assert assets.tags_of("A red, red Ball with a tiny hat on it") == ["red", "ball", "tiny", "hat"]
