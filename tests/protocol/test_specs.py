# SPDX-License-Identifier: GPL-3.0-or-later
"""Job specs refuse bad input with the name of the field, and survive the way over the wire."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import BadRequest, TooLarge
from protocol.messages import TextTo3DSpec, spec_from_map


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
        ("name", "n" * 64),
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
    with pytest.raises(BadRequest) as caught:
        spec_from_map("teapot", {"prompt": "x"})
    assert caught.value.path == "kind"


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
