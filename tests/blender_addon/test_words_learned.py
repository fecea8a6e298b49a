# SPDX-License-Identifier: GPL-3.0-or-later
"""Learned words: kept in the user's folder, found in prompts, sent along, and asked for with pictures."""

from __future__ import annotations

import json

import bpy
import numpy as np
import pytest

from blender_addon import identities, kinds, wire
from blender_addon.apply import learned
from blender_addon.apply.mesh import BrokenMesh
from blender_addon.apply.placement import Place
from blender_addon.apply.result import Delivery
from blender_addon.capture import learning, pictures


def identity(word: str = "zorblu", **facts) -> bytes:
    """A safetensors file with one number in it."""
    header = {"__metadata__": {"word": word, "noun": "mug", "method": "lora",
                               "priors": json.dumps([{"prior": "a"}, {"prior": "b"}, {"prior": "a"}])} | facts,
              "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(4)


@pytest.fixture
def known(tmp_path):
    return identities.Identities(tmp_path / "words")


def test_a_word_is_kept_replaced_and_dropped(known):
    first = known.keep(identity())
    assert (first.word, first.noun, first.prior) == ("zorblu", "mug", "a and b")
    known.keep(identity(noun="cup"))
    assert [one.noun for one in known.all()] == ["cup"] and known.get("zorblu").noun == "cup"
    known.drop("zorblu")
    assert known.all() == [] and known.get("zorblu") is None


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 40, (10**9).to_bytes(8, "little") + b"{}", identity("../evil"), identity("")[:30]],
)
def test_what_is_no_learned_word_is_refused_and_leaves_nothing(known, data):
    with pytest.raises(identities.BrokenIdentity):
        known.keep(data)
    assert list(known.folder.iterdir()) == []


def test_a_damaged_file_is_not_listed(known):
    known.keep(identity())
    (known.folder / "other.safetensors").write_bytes(b"nothing")
    assert [one.word for one in known.all()] == ["zorblu"]


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a red Zorblu on a table", ["zorblu"]), ("quib beside a zorblu", ["quib", "zorblu"]),
        ("zorblus and unzorblu", []), ("a zorblu-like thing", []), ("5zorblu", []), ("the zorblu's lid", ["zorblu"]),
        ("", []),
    ],
)
def test_only_whole_words_are_spoken(known, prompt, words):
    for word in ("zorblu", "quib"):
        known.keep(identity(word))
    assert [one.word for one in known.spoken(prompt)] == words


def test_spoken_words_go_in_with_kinds_that_take_them(known):
    known.keep(identity())
    spec = wire.specs.TextTo3DSpec("a zorblu with spots")
    inputs = identities.with_words(known, spec, {})
    assert list(inputs) == ["identity_0"] and inputs["identity_0"].tobytes() == identity()
    given = {"identity_0": np.zeros(3, np.uint8)}
    assert identities.with_words(known, spec, given)["identity_0"].size == 3  # a script has chosen its own
    assert identities.with_words(known, wire.specs.RemoveSpec(), {}) == {}
    for at in range(6):
        known.keep(identity(f"word{at}"))
    crowd = wire.specs.TextTo3DSpec(" ".join(f"word{at}" for at in range(6)))
    assert sorted(identities.with_words(known, crowd, {})) == [f"identity_{at}" for at in range(4)]


def test_the_panel_asks_for_what_is_missing_and_sends_the_pictures(addon, tmp_path):
    properties = bpy.context.scene.maquette
    properties.kind = "learn"
    for said, mend in (
        ("Choose 3 to 8 pictures", lambda: [properties.pictures.add() for _ in range(3)]),
        ("Invent a word", lambda: setattr(properties, "word", "Zorblu")),
        ("kind of thing", lambda: setattr(properties, "noun", "mug")),
    ):
        assert said in kinds.complaint(bpy.context)
        mend()
    assert kinds.complaint(bpy.context) == ""
    pixels = np.random.default_rng(1).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    for at, one in enumerate(properties.pictures):
        path = tmp_path / f"{at}.{('png', 'png', 'bmp')[at]}"
        image = bpy.data.images.new("x", 5, 4)
        image.pixels.foreach_set(np.concatenate(
            [pixels[::-1] / np.float32(255.0), np.ones((4, 5, 1), np.float32)], axis=2).astype(np.float32).ravel())
        image.file_format, image.filepath_raw = ("PNG", "PNG", "BMP")[at], str(path)
        image.save()
        one.path = str(path)
    kind = kinds.chosen(properties)
    spec = kind.spec(bpy.context, properties)
    assert (spec.word, spec.noun, spec.subject, spec.method) == ("zorblu", "mug", "object", "lora")
    options = kind.options(bpy.context, properties, "", spec)
    before = len(bpy.data.images)
    arrays = kind.inputs(bpy.context, properties, "", spec, options)
    assert len(bpy.data.images) == before and sorted(arrays) == ["picture_0", "picture_1", "picture_2"]
    assert all(one.tobytes().startswith(pictures.PNG) for one in arrays.values())  # also that of the BMP file
    (tmp_path / "0.png").write_bytes(b"no picture")
    with pytest.raises(wire.errors.BadRequest, match="no picture"):
        learning.file_bytes(tmp_path / "0.png")


def test_the_result_goes_into_the_users_folder(addon):
    wanted = Delivery("0" * 32, "zorblu", "", Place("Scene"), {"identity": np.frombuffer(identity(), np.uint8)})
    assert learned.deliver(wanted) == "zorblu" and identities.mine().get("zorblu") is not None
    with pytest.raises(BrokenMesh):
        learned.deliver(Delivery("0" * 32, "zorblu", "", Place("Scene"), {}))
