# SPDX-License-Identifier: GPL-3.0-or-later
"""Motions and animate specs are refused with the name of what is wrong, and survive the way over the wire."""

from __future__ import annotations

import numpy as np
import pytest

from protocol.arrays import describe
from protocol.errors import BadRequest
from protocol.motion import Motion, continuous
from protocol.specs import AnimateSpec, spec_from_map


def arrays(frames: int = 5, joints: int = 3) -> dict[str, np.ndarray]:
    angles = np.linspace(0.0, 1.0, frames)[:, None] * np.ones(joints)
    turns = np.stack([np.cos(angles), np.sin(angles), 0 * angles, 0 * angles], -1).astype(np.float32)
    root = np.zeros((frames, 3), np.float32)
    return {"motion_rotations": turns, "motion_root": root, "motion_contacts": np.ones((frames, 4), np.uint8)}


def test_there_and_back():
    facts = {"fps": 24.0, "loop": True, "root_mode": "root_motion", "stride": [0.0, -1.5, 0.0]}
    motion = Motion.from_arrays(arrays(), facts)
    again = Motion.from_arrays(motion.to_arrays(), motion.facts())
    assert again.facts() == facts | {"frames": 5} and again.seconds == pytest.approx(5 / 24)
    assert all((again.to_arrays()[name] == array).all() for name, array in arrays().items())


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("motion_rotations", lambda a: a * 2), ("motion_rotations", lambda a: a[:, :0]),
        ("motion_rotations", lambda a: a.astype(np.float64)), ("motion_rotations", lambda a: a * np.nan),
        ("motion_rotations", lambda a: np.concatenate([a[:2], -a[2:]])), ("motion_rotations", lambda a: a[:, :, :3]),
        ("motion_root", lambda a: a[:3]), ("motion_root", lambda a: a + np.inf), ("motion_contacts", lambda a: a * 2),
        ("motion_contacts", lambda a: a[:, :2]), ("motion_rotations", lambda a: a[0]),
    ],
)
def test_wrong_arrays_are_named(name, spoil):
    given = arrays()
    given[name] = spoil(given[name])
    with pytest.raises(BadRequest) as caught:
        Motion.from_arrays(given, {"fps": 30})
    assert caught.value.path == name


@pytest.mark.parametrize("name", ["motion_rotations", "motion_root"])
def test_missing_arrays_are_named(name):
    given = arrays()
    del given[name]
    with pytest.raises(BadRequest) as caught:
        Motion.from_arrays(given, {})
    assert caught.value.path == name


@pytest.mark.parametrize(("field", "value"), [("fps", 0.5), ("fps", "30"), ("root_mode", "sideways"), ("stride", [1]),
                                               ("stride", "far")])
def test_wrong_facts_are_named(field, value):
    with pytest.raises(BadRequest) as caught:
        Motion.from_arrays(arrays(), {field: value})
    assert caught.value.path == field


def test_continuous_turns_signs_and_nothing_else():
    rotations = arrays(9)["motion_rotations"]
    signs = np.where(np.random.default_rng(1).random((9, 3, 1)) < 0.5, -1, 1).astype(np.float32)
    made = continuous(rotations * signs)
    assert np.allclose(made * signs[:1], rotations)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", " "), ("seconds", -1), ("seconds", 0.05), ("seconds", 601), ("frames", 1), ("frames", 40_000),
        ("fps", 0.0), ("fps", 500), ("loop", "maybe"), ("root_mode", "fly"), ("style", 3.0), ("method", "magic"),
        ("mirror", 1), ("seed", -1), ("name", "n" * 64), ("prior", "\x07"),
    ],
)
def test_bad_fields_of_the_spec_are_named(field, value):
    with pytest.raises(BadRequest) as caught:
        spec_from_map("animate", {"prompt": "walk", field: value})
    assert caught.value.path == field


def test_length_is_said_once():
    with pytest.raises(BadRequest) as caught:
        AnimateSpec("walk", seconds=2.0, frames=60)
    assert caught.value.path == "frames"
    with pytest.raises(BadRequest) as caught:
        AnimateSpec("walk", seconds=600.0, fps=120.0)
    assert caught.value.path == "seconds"


def skeleton(joints: int = 3) -> dict[str, np.ndarray]:
    return {
        "joint_heads": np.zeros((joints, 3), np.float32), "joint_tails": np.ones((joints, 3), np.float32),
        "joint_rotations": np.tile(np.eye(3, dtype=np.float32), (joints, 1, 1)),
        "joint_parents": np.arange(-1, joints - 1).astype(np.int16),
        "joint_names": np.frombuffer("\n".join("abc"[:joints]).encode(), np.uint8),
    }


def complaint(given: dict[str, np.ndarray]) -> str:
    with pytest.raises(BadRequest) as caught:
        AnimateSpec("walk").check_inputs([describe(name, array)[0] for name, array in given.items()])
    return caught.value.path


def test_inputs_are_of_one_size():
    good = skeleton()
    AnimateSpec("walk").check_inputs([describe(name, array)[0] for name, array in good.items()])
    assert complaint({**good, "joint_parents": good["joint_parents"][:2]}) == "inputs.joint_parents"
    assert complaint({name: array for name, array in good.items() if name != "joint_names"}) == "inputs.joint_names"
    clip = {"clip_0_rotations": np.ones((4, 3, 4), np.float32), "clip_0_root": np.ones((4, 3), np.float32)}
    assert complaint({**good, **clip}) == "inputs.clip_names"
    names = {"clip_names": np.frombuffer(b"bow", np.uint8)}
    AnimateSpec("walk").check_inputs([describe(name, array)[0] for name, array in {**good, **clip, **names}.items()])
    assert complaint({**good, **names, "clip_0_root": clip["clip_0_root"]}) == "inputs.clip_0_root"
    short = {**clip, "clip_0_root": clip["clip_0_root"][:3]}
    assert complaint({**good, **names, **short}) == "inputs.clip_0_rotations"
