# SPDX-License-Identifier: GPL-3.0-or-later
"""Edit and learn jobs refuse bad input with the name of the field."""

from __future__ import annotations

import math

import pytest

from protocol.arrays import Descriptor
from protocol.errors import BadRequest
from protocol.specs import EditSpec, LearnSpec, spec_from_map


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", " "), ("reshape", -0.1), ("reshape", 1.1), ("reshape", math.nan), ("reshape", True),
        ("strength", 0.0), ("texture_size", 63), ("effort", 0), ("seed", -1), ("name", "n" * 64), ("preset", "A"),
        ("style_scale", 3),
    ],
)
def test_bad_field_of_an_edit_is_named(field, value):
    with pytest.raises(BadRequest) as caught:
        EditSpec(**{"prompt": "a red mug", field: value})
    assert caught.value.path == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("word", ""), ("word", "   "), ("word", "Zorblu"), ("word", "two words"), ("word", "z"), ("word", "z" * 33),
        ("noun", ""), ("noun", " "), ("noun", "mug\x00"), ("subject", "person"), ("method", "dreambooth"),
        ("rank", 0), ("vectors", 9), ("steps", 5), ("learning_rate", 1e-9), ("preservation", -1.0),
    ],
)
def test_bad_field_of_a_learn_job_is_named(field, value):
    with pytest.raises(BadRequest) as caught:
        LearnSpec(**{"word": "zorblu", "noun": "mug", field: value})
    assert caught.value.path == field


def test_a_style_needs_no_noun_and_specs_survive_the_way():
    for spec in (LearnSpec("zorblu", subject="style"), EditSpec("a red mug", reshape=1)):
        assert spec_from_map(spec.kind, spec.to_map()) == spec


def _picture(number: int) -> Descriptor:
    return Descriptor(f"picture_{number}", "|u1", (100,), 100, bytes(32))


def test_three_to_eight_pictures():
    spec = LearnSpec("zorblu", "mug")
    with pytest.raises(BadRequest, match="2 came in") as caught:
        spec.check_inputs([_picture(0), _picture(1)])
    assert caught.value.hint
    spec.check_inputs([_picture(number) for number in (0, 2, 5)])
    spec.check_inputs([_picture(number) for number in range(8)])
    with pytest.raises(BadRequest, match="picture_8"):
        spec.check_inputs([_picture(number) for number in range(9)])


def test_views_belong_to_pictures():
    pictures = [_picture(number) for number in range(3)]
    LearnSpec("zorblu", "mug").check_inputs([*pictures, Descriptor("views", "<f4", (3, 3), 36, bytes(32))])
    with pytest.raises(BadRequest) as caught:
        LearnSpec("zorblu", "mug").check_inputs([*pictures, Descriptor("views", "<f4", (2, 3), 24, bytes(32))])
    assert caught.value.path == "inputs.views"
