# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be asked of an avatar job."""

from __future__ import annotations

import math

import pytest

from protocol.errors import BadRequest
from protocol.specs import AvatarSpec, spec_from_map


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""), ("prompt", "  \n "), ("prompt", 3), ("prompt", "a\x00b"), ("negative_prompt", "\x1b[31m"),
        ("preset", "Draft"), ("prior", "a\x7fb"), ("seed", -1), ("seed", True),
        ("height_metres", 0.2), ("height_metres", 3.0), ("height_metres", math.nan), ("height_metres", "tall"),
        ("motion", None), ("motion", "x" * 2001), ("seconds", 0.1), ("seconds", 61), ("fps", 0), ("fps", 500),
        ("texture_size", 1), ("effort", 0.0), ("name", "n" * 64),
    ],
)
def test_bad_field_is_named(field, value):
    with pytest.raises(BadRequest) as caught:
        AvatarSpec(**{"prompt": "a knight", field: value})
    assert caught.value.path == field


def test_map_gives_the_same_spec_back():
    spec = AvatarSpec("a knight", seed=3, height_metres=1.8, motion="walks", seconds=2, fps=30, name="Ser")
    assert spec_from_map("avatar", spec.to_map()) == spec
    assert type(spec.seconds) is float and spec.title == "Ser"
    assert AvatarSpec("a  tall\nknight").title == "a tall knight"


def test_an_avatar_job_takes_no_mesh():
    assert not {"vertices", "faces", "cameras"} & {one.name for one in AvatarSpec.INPUTS}
    assert spec_from_map("avatar", {"prompt": "a knight", "from_the_future": 1}) == AvatarSpec("a knight")
