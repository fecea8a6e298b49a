# SPDX-License-Identifier: GPL-3.0-or-later
"""Skeletons and weights refuse what is none, with the array's name, and survive the way over the wire."""

from __future__ import annotations

import numpy as np
import pytest

from protocol import naming
from protocol.errors import BadRequest
from protocol.skeleton import Skeleton, Weights, read_names, write_names
from protocol.specs import RigSpec, spec_from_map
from protocol.specs.rig import CREATURES, MARKERS


def values(**changes):
    turn = np.tile(np.eye(3, dtype=np.float32), (3, 1, 1))
    given = {
        "heads": np.array([[0, 0, 0], [0, 1, 0], [0, 2, 0]], np.float32),
        "tails": np.array([[0, 1, 0], [0, 2, 0], [0, 3, 0]], np.float32),
        "rotations": turn, "parents": np.array([-1, 0, 1], np.int16), "names": ("Hips", "Arm", "Ää"),
    }
    return given | changes


def test_arrays_bring_the_same_skeleton_back():
    one = Skeleton(**values())
    two = Skeleton.from_arrays(one.arrays())
    assert two.names == one.names and np.array_equal(two.parents, one.parents)
    assert np.array_equal(two.rest, one.rest) and two.lengths.tolist() == [1, 1, 1]
    assert {name: (array.dtype.str, array.ndim) for name, array in one.arrays().items()} == {
        "joint_heads": ("<f4", 2), "joint_tails": ("<f4", 2), "joint_rotations": ("<f4", 3),
        "joint_parents": ("<i2", 1), "joint_names": ("|u1", 1)}
    with pytest.raises(BadRequest, match="no joint called"):
        one.index("Tail")


MIRRORED = np.tile(np.diag([-1.0, 1, 1]).astype(np.float32), (3, 1, 1))


@pytest.mark.parametrize(("change", "path"), [
    ({"heads": np.zeros((2, 3))}, "joint_heads"), ({"tails": np.full((3, 3), np.nan)}, "joint_tails"),
    ({"rotations": MIRRORED}, "joint_rotations"), ({"rotations": np.zeros((3, 3, 3))}, "joint_rotations"),
    ({"parents": np.array([-1, 2, 1])}, "joint_parents"), ({"parents": np.array([0, 0, 1])}, "joint_parents"),
    ({"parents": np.array([-1, -2, 1])}, "joint_parents"), ({"parents": np.array([-1.0, 0, 1])}, "joint_parents"),
    ({"names": ("a", "a", "b")}, "joint_names"), ({"names": ("a", "", "b")}, "joint_names"),
    ({"names": ("a", "x" * 64, "b")}, "joint_names"), ({"names": ()}, "joint_names"),
])
def test_what_is_no_skeleton(change, path):
    with pytest.raises(BadRequest) as caught:
        Skeleton(**values(**change))
    assert caught.value.path == f"inputs.{path}"


def test_weights():
    full = np.array([[0.5, 0.5, 0, 0], [1, 0, 0, 0]], np.float32)
    joints = np.array([[2, 1, 0, 0], [1, 0, 0, 0]], np.uint16)
    one = Weights.from_arrays(Weights(full, joints).arrays())
    assert one.dense(3).tolist() == [[0, 0.5, 0.5], [0, 1, 0]]
    assert one.check(Skeleton(**values()), 2) is one
    for other, path in ((Weights(full, joints + 2), "weight_joints"), (Weights(full[:1], joints[:1]), "weights")):
        with pytest.raises(BadRequest) as caught:
            other.check(Skeleton(**values()), 2)
        assert caught.value.path == f"inputs.{path}"
    for bad in (full * 0.9, full * [[1, 1, 1, 1], [-1, 1, 1, 1]], np.full((2, 4), np.inf)):
        with pytest.raises(BadRequest):
            Weights(bad.astype(np.float32), joints)
    with pytest.raises(BadRequest, match="missing"):
        Weights.from_arrays({"weights": full})


def test_names_are_lines_of_text():
    assert read_names(write_names(("a", "ö")), "x") == ("a", "ö")
    with pytest.raises(BadRequest, match="UTF-8"):
        read_names(np.array([255, 254], np.uint8), "x")


@pytest.mark.parametrize("way", naming.NAMINGS)
def test_every_convention_leads_back(way):
    joints = list(naming.HUMANOID)
    others = naming.named(joints, way)
    assert len(set(others)) == 52 and naming.internal(others) == joints
    assert all(len(name.encode()) <= 63 for name in others)


def test_sides_of_other_creatures():
    assert naming.named(["LeftHindLeg", "RightFin1", "Tail"], "blender") == ["HindLeg.L", "Fin1.R", "Tail"]
    assert naming.named(["LeftHindLeg"], "unreal") == ["HindLeg_l"]


@pytest.mark.parametrize(("field", "value"), [
    ("creature", "dragon"), ("naming", "maya"), ("front", "up"), ("fingers", 1), ("detail", 16), ("detail", 257),
    ("effort", 0.0), ("name", "n" * 64),
])
def test_bad_fields_of_a_rig_are_named(field, value):
    with pytest.raises(BadRequest) as caught:
        spec_from_map("rig", {field: value})
    assert caught.value.path == field


def test_a_rig_over_the_wire():
    spec = RigSpec("quadruped", "unreal", "+x", False, 128, 2, "Fox")
    assert spec_from_map("rig", spec.to_map()) == spec and spec.title == "Fox: rig"
    assert set(MARKERS) == set(CREATURES) - {"auto"}
