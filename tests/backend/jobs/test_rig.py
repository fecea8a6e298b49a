# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig job: what goes in comes out as a skeleton with weights for every vertex, or is refused with advice."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from backend.jobs import TerminalContext, run
from backend.rigging.bones import Bones
from protocol.errors import BadRequest, Cancelled, MaquetteError
from protocol.skeleton import Skeleton, Weights, write_names
from protocol.specs import RigSpec


def capsule(start, end, radius):
    start, end = np.asarray(start, float), np.asarray(end, float)
    made = trimesh.creation.capsule(height=np.linalg.norm(end - start), radius=radius, count=[10, 10])
    turn = trimesh.geometry.align_vectors([0, 0, 1], end - start)[:3, :3]
    return made.vertices @ turn.T + 0.5 * (start + end), made.faces


def animal() -> dict[str, np.ndarray]:
    """A dog of capsules, a metre long, looking to -Y."""
    parts = [capsule((0, -0.3, 0.5), (0, 0.3, 0.5), 0.12), capsule((0, -0.35, 0.55), (0, -0.6, 0.75), 0.07),
             capsule((0, 0.4, 0.52), (0, 0.75, 0.5), 0.03)]
    parts += [capsule((x, y, 0.45), (x, y, 0.04), 0.04) for x in (-0.09, 0.09) for y in (-0.25, 0.25)]
    counts = np.cumsum([0, *(len(vertices) for vertices, _ in parts)])
    faces = np.concatenate([faces + start for (_, faces), start in zip(parts, counts, strict=False)])
    return {"vertices": np.concatenate([vertices for vertices, _ in parts]).astype(np.float32),
            "faces": faces.astype(np.int32)}


def do(tmp_path, inputs, spec=None, **more):
    context = TerminalContext(tmp_path, inputs=inputs, **more)
    result = run(spec or RigSpec(detail=64), context)
    return Skeleton.from_arrays(result.arrays), Weights.from_arrays(result.arrays), result, context


@pytest.mark.parametrize("case", ["as it is", "soup", "a hundredth", "far away", "mirrored", "uneven", "odd extras"])
def test_an_animal_in_any_condition(tmp_path, case):
    given = animal()
    vertices, faces = given["vertices"].astype(float), given["faces"]
    rng = np.random.default_rng(0)
    if case == "soup":
        vertices = vertices[faces.ravel()] + rng.normal(0, 2e-4, (faces.size, 3))
        faces = np.arange(faces.size).reshape(-1, 3)
    elif case == "a hundredth":
        vertices = 0.01 * vertices
    elif case == "far away":
        vertices = vertices + [300, -200, 50]
    elif case == "mirrored":
        vertices = vertices * [-1, 1, 1]
    elif case == "uneven":
        vertices = vertices * [1.3, 1, 0.85]
    elif case == "odd extras":  # doubled faces, one without area, a vertex of its own
        vertices = np.concatenate([vertices, [[9, 9, 9]]])
        faces = np.concatenate([faces, faces[:40], [[3, 3, 4]]])
    inputs = {"vertices": vertices.astype(np.float32), "faces": faces.astype(np.int32)}
    skeleton, weights, result, context = do(tmp_path, inputs)
    assert result.report["creature"] == "quadruped" and result.report["confidence"] > 0.6
    assert len(weights.values) == len(vertices) and np.abs(weights.values.sum(1) - 1).max() < 1e-5
    extent = np.ptp(vertices[:-1], axis=0)
    nose = skeleton.tails[skeleton.index("Head")]
    assert nose[1] < vertices[:-1, 1].min() + 0.15 * extent[1]
    assert skeleton.lengths.min() > 1e-4 * extent.max() and context.stages[-1] == ("done", 1.0)
    assert bytes(result.arrays["thumbnail"][:4]) == b"\x89PNG"
    if case == "far away":
        assert any(abs(skeleton.heads[0] - [300, -200, 50.5]) < 0.6)


def test_the_same_bits_again_and_a_stop_within(tmp_path):
    one = do(tmp_path, animal())[2].arrays
    two = do(tmp_path, animal())[2].arrays
    assert all(np.array_equal(one[name], two[name]) for name in one)
    with pytest.raises(Cancelled):
        do(tmp_path, animal(), cancel_when=lambda context: context.stages and context.stages[-1][0] == "bind")


def test_a_skeleton_that_is_there_is_only_bound(tmp_path):
    bones = Bones()
    bones.chain(["Back", "Front"], "", np.array([[0, 0.4, 0.5], [0, 0, 0.5], [0, -0.6, 0.7]]))
    skeleton, weights, result, _ = do(tmp_path, animal() | bones.skeleton().arrays())
    assert skeleton.names == ("Back", "Front") and result.report["found"] == {"joints": "given"}
    nose = animal()["vertices"][:, 1].argmin()
    assert weights.dense(2)[nose, 1] > 0.99


def stretched(x, y, z) -> dict[str, np.ndarray]:
    return animal() | {"vertices": animal()["vertices"] * np.array([x, y, z], np.float32)}


def marked(names, places) -> dict[str, np.ndarray]:
    return animal() | {"markers": np.array(places, np.float32), "marker_names": write_names(tuple(names))}


@pytest.mark.parametrize(("inputs", "spec", "path", "words"), [
    (lambda: marked(["snout"], [[0, 0, 0]]), RigSpec(), "inputs.marker_names", "not known"),
    (lambda: marked(["nose", "nose"], np.zeros((2, 3))), RigSpec(), "inputs.marker_names", "each once"),
    (lambda: marked(["nose"], [[0, 0, 50]]), RigSpec(), "inputs.markers", "far outside"),
    (lambda: marked(["nose"], [[0, np.inf, 0]]), RigSpec(), "inputs.markers", "not finite"),
    (lambda: animal() | {"markers": np.zeros((1, 3), np.float32)}, RigSpec(), "inputs.markers", "names"),
    (lambda: marked(["chin"], [[0, -0.5, 0.7]]), RigSpec("humanoid"), "inputs", "lies down|eight markers"),
    (lambda: stretched(1, 1, 0.3), RigSpec("humanoid"), "inputs.vertices", "lies down"),
    (lambda: stretched(0.1, 3, 0.1), RigSpec("spider"), "creature", "legs were found"),
    (lambda: stretched(1, 1, np.nan), RigSpec(), "inputs.vertices", "finite"),
    (lambda: animal() | {"faces": animal()["faces"] + 10_000}, RigSpec(), "inputs.faces", "name vertices"),
    (lambda: animal() | {"vertices": animal()["vertices"] + np.float32(1e6)}, RigSpec(), "inputs.vertices", "origin"),
    (lambda: animal() | {"joint_heads": np.zeros((1, 3), np.float32)}, RigSpec(), "inputs.joint_tails", "missing"),
])
def test_what_cannot_be_rigged_says_why(tmp_path, inputs, spec, path, words):
    with pytest.raises(MaquetteError, match=words) as caught:
        do(tmp_path, inputs(), spec)
    assert isinstance(caught.value, BadRequest) and caught.value.path.startswith(path)
