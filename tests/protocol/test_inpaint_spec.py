# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be asked of an inpaint job, and which arrays belong together."""

import math

import pytest

from protocol.arrays import DTYPES, Descriptor
from protocol.errors import BadRequest, MaquetteError
from protocol.specs import InpaintSpec, spec_from_map


@pytest.mark.parametrize(("fields", "path"), [
    ({"verb": "erase"}, "verb"), ({"verb": "fill"}, "prompt"), ({"verb": "replace", "prompt": "  "}, "prompt"),
    ({"verb": "remove", "prompt": "wood", "engine": "classical"}, "engine"),
    ({"verb": "remove", "engine": "views"}, "prompt"), ({"verb": "remove", "engine": "magic"}, "engine"),
    ({"verb": "remove", "rig": "orbit"}, "rig"), ({"verb": "remove", "views": 65}, "views"),
    ({"verb": "remove", "grow": 257}, "grow"), ({"verb": "remove", "feather": -1}, "feather"),
    ({"verb": "remove", "strength": 0.0}, "strength"), ({"verb": "remove", "inpainter": "a\x00"}, "inpainter"),
])
def test_bad_field_is_named(fields, path):
    with pytest.raises(MaquetteError) as caught:
        spec_from_map("inpaint", fields)
    assert caught.value.path == path


def test_there_and_back():
    spec = InpaintSpec("fill", "red dots", name="Lid", grow=-3, feather=2, rig="cameras")
    assert spec_from_map("inpaint", spec.to_map()) == spec
    assert spec.title == "Lid: fill red dots" and spec.words and not InpaintSpec("remove").words


MESH = {"vertices": ("<f4", (8, 3)), "faces": ("<i4", (12, 3)), "uvs": ("<f4", (36, 2)), "base_colour": ("|u1", (99,))}
FACES = {**MESH, "selected": ("|u1", (12,))}
PICTURE = {"picture": ("|u1", (99,)), "mask": ("|u1", (50,))}


def described(arrays) -> list[Descriptor]:
    return [Descriptor(name, dtype, shape, math.prod(shape) * DTYPES[dtype].itemsize, bytes(32))
            for name, (dtype, shape) in arrays.items()]


def test_arrays_that_belong_together():
    for arrays in (FACES, {**MESH, "mask": ("|u1", (50,))}, PICTURE):
        InpaintSpec("remove").check_inputs(described(arrays))


@pytest.mark.parametrize(("arrays", "path"), [
    ({name: FACES[name] for name in FACES if name != "uvs"}, "inputs.uvs"),
    ({name: FACES[name] for name in FACES if name != "base_colour"}, "inputs.base_colour"),
    (MESH, "inputs.selected"), ({"mask": ("|u1", (50,))}, "inputs.vertices"),
    ({"picture": ("|u1", (99,))}, "inputs.mask"), ({**PICTURE, **FACES}, "inputs.vertices"),
    ({**PICTURE, "selected": ("|u1", (12,))}, "inputs.selected"), ({**FACES, "vertices": ("<f4", (8, 2))},
                                                                   "inputs.vertices"),
])
def test_arrays_that_do_not(arrays, path):
    with pytest.raises(BadRequest) as caught:
        InpaintSpec("remove").check_inputs(described(arrays))
    assert caught.value.path == path
    if "expected" not in caught.value.message:
        assert caught.value.hint or "takes only" in caught.value.message


def test_a_picture_is_not_distilled():
    with pytest.raises(BadRequest) as caught:
        InpaintSpec("fill", "dots", engine="distillation").check_inputs(described(PICTURE))
    assert caught.value.path == "engine"
