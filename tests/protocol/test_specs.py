# SPDX-License-Identifier: GPL-3.0-or-later
"""Job specs refuse bad input with the name of the field, and survive the way over the wire."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.arrays import Descriptor
from protocol.errors import BadRequest, TooLarge, UnknownKind
from protocol.specs import KINDS, GeneratingSpec, Input, Spec, TextTo3DSpec, TextureSpec, base, spec_from_map


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""), ("prompt", "  \n "), ("prompt", 3), ("prompt", "a\x00b"), ("prompt", "bad \ud800 half"),
        ("negative_prompt", "\x1b[31m"), ("negative_prompt", None),
        ("preset", "Draft"), ("preset", "../draft"), ("preset", ""), ("preset", "d" * 33),
        ("prior", "a\x7fb"), ("prior", "x" * 1025),
        ("seed", -1), ("seed", 2**63), ("seed", 1.0), ("seed", True),
        ("size_metres", 0.0), ("size_metres", 1001), ("size_metres", math.nan), ("size_metres", "1"),
        ("texture_size", 1), ("texture_size", 8193), ("texture_size", False),
        ("name", "n" * 64), ("gpus", 0), ("gpus", 17), ("gpus", True),
    ],
)
def test_bad_field_is_named(field, value):
    values = {"prompt": "a chair", field: value}
    with pytest.raises(BadRequest) as caught:
        TextTo3DSpec(**values)
    assert caught.value.path == field
    with pytest.raises(BadRequest):
        spec_from_map("text_to_3d", values)


def test_long_prompt_says_limit_and_length():
    with pytest.raises(TooLarge) as caught:
        TextTo3DSpec(prompt="x" * 20_000)
    assert caught.value.detail == {"limit": 2000, "got": 20000, "path": "prompt"}
    assert "20,000" in caught.value.message and "2,000" in caught.value.message


def test_missing_prompt_and_unknown_kind():
    with pytest.raises(BadRequest) as caught:
        spec_from_map("text_to_3d", {})
    assert caught.value.path == "prompt"
    with pytest.raises(UnknownKind) as caught:
        spec_from_map("teapot", {"prompt": "x"})
    assert caught.value.path == "kind" and "teapot" in caught.value.message and caught.value.hint


def test_unknown_fields_are_ignored():
    assert spec_from_map("text_to_3d", {"prompt": "x", "from_the_future": 1}) == TextTo3DSpec("x")


@settings(max_examples=60, deadline=None)
@given(
    prompt=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60).filter(str.strip),
    seed=st.none() | st.integers(0, 2**63 - 1),
    size=st.floats(0.001, 1000) | st.integers(1, 1000),
    texture=st.just(0) | st.integers(64, 8192),
)
def test_map_gives_the_same_spec_back(prompt, seed, size, texture):
    spec = TextTo3DSpec(prompt, seed=seed, size_metres=size, texture_size=texture)
    assert spec_from_map(spec.kind, spec.to_map()) == spec
    assert type(spec.size_metres) is float


@dataclass(frozen=True)
class PaintSpec(Spec):
    """A kind that takes inputs, as none of ours has to."""

    kind: ClassVar[str] = "paint"
    INPUTS: ClassVar[tuple[Input, ...]] = (
        Input("vertices", ("<f4",), (None, 3)), Input("faces", ("<i4",), (None, 3)),
        Input("image", ("|u1",), (None,), required=False, maximum=1000),
    )
    colour: str


VERTICES = Descriptor("vertices", "<f4", (4, 3), 48, bytes(32))
FACES = Descriptor("faces", "<i4", (2, 3), 24, bytes(32))


@pytest.mark.parametrize(("inputs", "path"), [
    ([VERTICES], "inputs.faces"),
    ([VERTICES, FACES, Descriptor("uvs", "<f4", (1,), 4, bytes(32))], "inputs.uvs"),
    ([VERTICES, Descriptor("faces", "<i8", (1, 3), 24, bytes(32))], "inputs.faces"),
    ([VERTICES, Descriptor("faces", "<i4", (6,), 24, bytes(32))], "inputs.faces"),
    ([VERTICES, Descriptor("faces", "<i4", (0, 3), 0, bytes(32))], "inputs.faces"),
    ([VERTICES, FACES, FACES], "inputs"),
    ([VERTICES, FACES, Descriptor("image", "|u1", (1001,), 1001, bytes(32))], "inputs.image"),
    ([Descriptor("vertices", "<f4", (178956970, 3), 2147483640, bytes(32)), FACES,
      Descriptor("faces_2", "<i4", (1, 3), 12, bytes(32))], "inputs.faces_2"),
])
def test_inputs_that_do_not_fit_are_named(inputs, path):
    with pytest.raises(BadRequest) as caught:
        PaintSpec("red").check_inputs(inputs)
    assert caught.value.path == path


def test_inputs_that_fit_and_kinds_without():
    PaintSpec("red").check_inputs([FACES, VERTICES])
    PaintSpec("red").check_inputs([FACES, VERTICES, Descriptor("image", "|u1", (1000,), 1000, bytes(32))])
    Spec().check_inputs([])
    with pytest.raises(BadRequest, match="no inputs"):
        Spec().check_inputs([VERTICES])


@pytest.mark.parametrize("kind", [kind for kind, spec in KINDS.items() if issubclass(spec, GeneratingSpec)])
def test_whatever_has_a_prompt_takes_learned_words_and_a_style(kind):
    taken = [one.name for one in KINDS[kind].INPUTS]
    assert taken[-5:] == ["identity_0", "identity_1", "identity_2", "identity_3", "style_picture"]
    values = {"prompt": "a red mug", "verb": "fill"}
    assert spec_from_map(kind, values).identity_scale == 1.0
    with pytest.raises(BadRequest) as caught:
        spec_from_map(kind, {**values, "identity_scale": 2.5})
    assert caught.value.path == "identity_scale"
    with pytest.raises(BadRequest, match="colour is missing"):
        PaintSpec.from_map({})


def test_all_inputs_together_have_a_limit(monkeypatch):
    monkeypatch.setattr(base, "MAX_INPUT_BYTES", 71)
    with pytest.raises(TooLarge) as caught:
        PaintSpec("red").check_inputs([FACES, VERTICES])
    assert caught.value.detail == {"limit": 71, "got": 72, "path": "inputs"}


def test_every_kind_is_listed_under_its_own_name():
    assert all(kind == spec.kind and kind for kind, spec in KINDS.items())


@pytest.mark.parametrize("values", [
    {"prompt": " "}, {"prompt": "x", "engine": "magic"}, {"prompt": "x", "rig": "chance"}, {"prompt": "x", "views": 65},
    {"prompt": "x", "strength": 0.0}, {"prompt": "x", "uvs": "some"}, {"prompt": "x", "texture_size": 32},
    {"prompt": "x", "at_once": -1}, {"prompt": "x", "effort": 11.0},
])
def test_wrong_fields_of_a_texture_job_are_named(values):
    with pytest.raises(BadRequest) as caught:
        TextureSpec(**values)
    assert caught.value.path in values


def test_a_texture_job_survives_the_wire():
    spec = TextureSpec("a brick wall", rig="coverage", strength=0.5, name="Wall")
    assert spec_from_map("texture", spec.to_map()) == spec and spec.title == "Wall: a brick wall"
