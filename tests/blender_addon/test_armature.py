# SPDX-License-Identifier: GPL-3.0-or-later
"""Armatures: Blender moves a rigged mesh as linear blend skinning says, and nothing of the artist's is touched.

The truth is skinning in float64, written here from its definition; Blender is asked for the evaluated mesh.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import bpy
import msgpack
import numpy as np
import pytest
from mathutils import Matrix

from blender_addon.apply import armature
from blender_addon.apply.mesh import BrokenMesh
from blender_addon.apply.placement import Place
from blender_addon.apply.result import Delivery
from blender_addon.capture import skeleton as captured
from protocol.errors import BadRequest
from protocol.motion import Motion, continuous
from protocol.skeleton import Skeleton, Weights

ROOT = Path(__file__).resolve().parents[2]
BOUND = 1e-5  # metres, the bar
ASKED = [name for name in os.environ.get("MAQUETTE_BLENDERS", "").split(",") if name]


def figure(joints: int = 14, vertices: int = 400, seed: int = 3) -> tuple[dict[str, np.ndarray], Skeleton, Weights]:
    """A made-up mesh with a tree of joints in any attitude and random weights, four a vertex."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1, 1, (vertices, 3)).astype(np.float32)
    faces = rng.permuted(np.arange(vertices)[None].repeat(300, 0), axis=1)[:, :3].astype(np.int32)
    turns = np.linalg.qr(rng.normal(size=(joints, 3, 3)))[0]
    turns[np.linalg.det(turns) < 0, :, 0] *= -1
    heads = rng.uniform(-0.8, 0.8, (joints, 3))
    tails = heads + turns[:, :, 1] * rng.uniform(0.05, 0.4, (joints, 1))
    parents = np.array([-1] + [int(rng.integers(0, j)) for j in range(1, joints)], np.int16)
    names = ("Hips", "LeftArm", "RightArm", *(f"Bone{j}" for j in range(3, joints)))
    values = rng.dirichlet(np.ones(4), vertices).astype(np.float32)
    chosen = np.argsort(rng.random((vertices, joints)), axis=1)[:, :4].astype(np.uint16)
    skeleton = Skeleton(heads.astype(np.float32), tails.astype(np.float32), turns.astype(np.float32), parents, names)
    return {"vertices": points, "faces": faces}, skeleton, Weights(values / values.sum(1, keepdims=True), chosen)


def skinned(points: np.ndarray, skeleton: Skeleton, weights: Weights, turns: np.ndarray, root: np.ndarray
            ) -> np.ndarray:
    """(V, 3): rotation matrices (J, 3, 3) in each bone's rest frame, the root moved by `root` in the armature's."""
    rest = skeleton.rest
    posed = np.zeros_like(rest)
    for joint, parent in enumerate(skeleton.parents):
        local = np.eye(4)
        local[:3, :3] = turns[joint]
        if parent < 0:
            posed[joint] = rest[joint] @ local
            posed[joint, :3, 3] += root
        else:
            posed[joint] = posed[parent] @ np.linalg.inv(rest[parent]) @ rest[joint] @ local
    moved = posed @ np.linalg.inv(rest)
    homogeneous = np.concatenate([points.astype(np.float64), np.ones((len(points), 1))], 1)
    each = np.einsum("vkij,vj->vki", moved[weights.joints.astype(int)], homogeneous)[..., :3]
    return np.einsum("vk,vki->vi", weights.values.astype(np.float64), each)


def placed(mesh: dict[str, np.ndarray], matrix: Matrix | None = None, name: str = "Figure"):
    data = bpy.data.meshes.new(name)
    data.from_pydata(mesh["vertices"].tolist(), [], mesh["faces"].tolist())
    item = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(item)
    if matrix is not None:
        item.matrix_world = matrix
    bpy.context.view_layer.update()
    return item


def evaluated(item) -> np.ndarray:
    """(V, 3) in the world, as Blender deforms it."""
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    shown = item.evaluated_get(graph)
    points = np.empty((len(shown.data.vertices), 3), np.float32)
    shown.data.vertices.foreach_get("co", points.ravel())
    world = np.array(shown.matrix_world, np.float64)
    return points @ world[:3, :3].T + world[:3, 3]


def delivery(item, skeleton: Skeleton, weights: Weights, options: dict | None = None, **more) -> Delivery:
    arrays = {**skeleton.arrays(), **weights.arrays(), **more.pop("arrays", {})}
    target = item.name if item else ""
    return Delivery("job", "", "", Place("Scene"), arrays, more.pop("report", {}), target, options or {})


def set_pose(rig, skeleton: Skeleton, turns: np.ndarray, root: np.ndarray) -> None:
    names = [bone.name for bone in rig.data.bones]
    joints = {bone["maquette_joint"]: bone.name for bone in rig.data.bones}
    assert len(joints) == len(names)
    for joint, name in enumerate(skeleton.names):
        bone = rig.pose.bones[joints[name]]
        bone.rotation_mode = "QUATERNION"
        bone.rotation_quaternion = Matrix(turns[joint].tolist()).to_quaternion()
    first = rig.pose.bones[joints[skeleton.names[0]]]
    first.location = skeleton.rotations[0].astype(np.float64).T @ root


def random_turns(rng, joints: int, sigma: float) -> np.ndarray:
    vectors = rng.normal(0, sigma, (joints, 3))
    return np.array([Matrix.Rotation(float(np.linalg.norm(v)), 3, v.tolist()) for v in vectors], np.float64)


def worst(poses: int = 8, bones: bool = True) -> dict[str, float]:
    """Largest distances in metres: of rest frames, random poses, each bone alone, and 60 keyed frames."""
    mesh, skeleton, weights = figure()
    item = placed(mesh)
    rig = bpy.data.objects[armature.deliver(delivery(item, skeleton, weights))]
    rng = np.random.default_rng(5)
    names = {bone["maquette_joint"]: bone for bone in rig.data.bones}
    frames = np.array([names[name].matrix_local for name in skeleton.names], np.float64)
    found = {"rest": float(np.abs(frames - skeleton.rest).max()), "poses": 0.0, "alone": 0.0, "frames": 0.0}
    for _ in range(poses):
        turns, root = random_turns(rng, len(skeleton), 0.5), rng.normal(0, 0.3, 3)
        set_pose(rig, skeleton, turns, root)
        away = evaluated(item) - skinned(mesh["vertices"], skeleton, weights, turns, root)
        found["poses"] = max(found["poses"], float(np.abs(away).max()))
    for joint in range(len(skeleton) if bones else 0):
        turns = np.tile(np.eye(3), (len(skeleton), 1, 1))
        turns[joint] = random_turns(rng, 1, 0.8)[0]
        set_pose(rig, skeleton, turns, np.zeros(3))
        away = evaluated(item) - skinned(mesh["vertices"], skeleton, weights, turns, np.zeros(3))
        found["alone"] = max(found["alone"], float(np.abs(away).max()))
    steps = [(random_turns(rng, len(skeleton), 0.4), rng.normal(0, 0.2, 3)) for _ in range(60)]
    for frame, (turns, root) in enumerate(steps, 1):
        set_pose(rig, skeleton, turns, root)
        for bone in rig.pose.bones:
            bone.keyframe_insert("rotation_quaternion", frame=frame)
        rig.pose.bones[0].keyframe_insert("location", frame=frame)
    for frame, (turns, root) in enumerate(steps, 1):
        bpy.context.scene.frame_set(frame)
        away = evaluated(item) - skinned(mesh["vertices"], skeleton, weights, turns, root)
        found["frames"] = max(found["frames"], float(np.abs(away).max()))
    return found


def test_blender_moves_it_as_the_backend_does():
    found = worst()
    assert max(found.values()) <= BOUND, found


@pytest.mark.parametrize("version", [one for one in ASKED if one != "4.5"] or ["none"])
def test_other_blenders_do_too(version, tmp_path):
    """Those that `build.py test --blenders` names, each in a process of its own."""
    if version == "none":
        pytest.skip("no other Blender was asked for (build.py test --blenders 5.0)")
    folder = ROOT / "build" / "blenders" / version
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    say = subprocess.run([python, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True)
    if say.stdout.strip() != str(sys.version_info[:2]):
        pytest.skip(f"Blender {version} runs Python {say.stdout.strip()}, for which this environment has no msgpack")
    # Its environment holds Blender alone: what the protocol needs comes from ours, where the Python is the same.
    ours = Path(msgpack.__file__).parents[1]
    for found in (*ours.glob("msgpack"), *ours.glob("zmq"), *ours.glob("pyzmq.libs")):
        shutil.copytree(found, tmp_path / found.name)
    done = subprocess.run([python, "-m", "tests.blender_addon.armature_elsewhere"], cwd=ROOT, capture_output=True,
                          text=True, timeout=300, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["version"].startswith(version) and max(found["distances"].values()) <= BOUND, found


@pytest.mark.parametrize("matrix", [
    Matrix.LocRotScale((3, -2, 1), Matrix.Rotation(0.7, 3, "X").to_quaternion(), (2.0, 0.5, 1.2)),
    Matrix.LocRotScale((0, 0, 0), None, (-1.0, 1.0, 1.0)),
    Matrix.Rotation(2.0, 4, "Z") @ Matrix.Scale(0.01, 4),
], ids=["uneven", "mirrored", "small"])
def test_objects_with_any_scale(matrix):
    mesh, skeleton, weights = figure()
    item = placed(mesh, matrix)
    before = np.array(item.matrix_world)
    options = captured.rig_options(bpy.context, None, item.name, None)
    arrays = captured.rig_inputs(bpy.context, None, item.name, None, options)
    seen = np.array(item.matrix_world, np.float64)
    world = mesh["vertices"] @ seen[:3, :3].T + seen[:3, 3]
    frame = np.array(captured.matrix_of(options["frame"]), np.float64)
    assert np.abs(arrays["vertices"] @ frame[:3, :3].T + frame[:3, 3] - world).max() < 1e-5
    assert np.abs(np.linalg.det(frame[:3, :3]) - 1) < 1e-5
    flipped = not np.array_equal(arrays["faces"], mesh["faces"])
    assert flipped == (np.linalg.det(seen[:3, :3]) < 0)
    small = float(np.abs(seen[:3, :3]).max())
    skeleton = Skeleton(skeleton.heads * small, skeleton.tails * small, skeleton.rotations, skeleton.parents,
                        skeleton.names)
    rig = bpy.data.objects[armature.deliver(delivery(item, skeleton, weights, options))]
    bpy.context.view_layer.update()
    assert np.abs(np.array(item.matrix_world) - before).max() < 1e-5  # nothing moves at rest
    rng = np.random.default_rng(2)
    turns, root = random_turns(rng, len(skeleton), 0.5), 0.2 * small * rng.normal(size=3)
    set_pose(rig, skeleton, turns, root)
    want = skinned(arrays["vertices"], skeleton, weights, turns, root) @ frame[:3, :3].T + frame[:3, 3]
    assert np.abs(evaluated(item) - want).max() < 2 * BOUND


def test_nothing_of_the_artists_is_replaced():
    mesh, skeleton, weights = figure()
    item = placed(mesh)
    kept = item.vertex_groups.new(name="UpperArm.L")
    kept.add([0, 1, 2], 0.25, "REPLACE")
    mirror = item.modifiers.new("Mirror", "MIRROR")
    smooth = item.modifiers.new("Subdivision", "SUBSURF")
    other = bpy.data.objects.new("Other", None)
    bpy.context.scene.collection.objects.link(other)
    item.parent = other
    bpy.context.view_layer.objects.active = other
    rig = bpy.data.objects[armature.deliver(delivery(item, skeleton, weights))]
    assert [one.type for one in item.modifiers] == ["MIRROR", "ARMATURE", "SUBSURF"]
    assert item.modifiers[0] == mirror and item.modifiers[2] == smooth
    assert item.vertex_groups["UpperArm.L"].weight(2) == 0.25 and len(item.vertex_groups) == 1 + len(skeleton)
    assert "Maquette UpperArm.L" in rig.data.bones and item.parent == other and rig.parent == other
    assert bpy.context.view_layer.objects.active == other and rig.mode == "OBJECT"
    again = bpy.data.objects[armature.deliver(delivery(item, skeleton, weights))]
    assert again != rig and "Maquette 2 UpperArm.L" in again.data.bones and len(item.modifiers) == 4
    assert len(item.vertex_groups) == 1 + 2 * len(skeleton)


@pytest.mark.parametrize(("naming", "name"), [
    ("blender", "UpperArm.L"), ("mixamo", "mixamorig:LeftArm"), ("rigify", "upper_arm.L"), ("unreal", "upperarm_l"),
])
def test_names(naming, name):
    mesh, skeleton, weights = figure()
    item = placed(mesh)
    rig = bpy.data.objects[armature.deliver(delivery(item, skeleton, weights, report={"naming": naming}))]
    assert name in rig.data.bones and name in item.vertex_groups
    assert rig.data.bones[name]["maquette_joint"] == "LeftArm"


def test_a_mesh_is_bound_to_an_armature_that_is_there():
    mesh, skeleton, weights = figure()
    maker = placed(mesh, Matrix.Translation((1, 2, 3)), "Maker")
    rig = bpy.data.objects[armature.deliver(delivery(maker, skeleton, weights))]
    rig.data.bones[rig.data.bones.find("Bone13")].use_deform = False
    item = placed(mesh, Matrix.Translation((1, 2, 3)))
    rig.select_set(True)
    options = captured.rig_options(bpy.context, None, item.name, None)
    arrays = captured.rig_inputs(bpy.context, None, item.name, None, options)
    back = Skeleton.from_arrays(arrays)
    assert options["armature"] == rig.name and len(back) == len(skeleton) - 1
    joints = [str(rig.data.bones[name]["maquette_joint"]) for name in back.names]
    number = [skeleton.names.index(name) for name in joints]
    assert np.abs(back.rest - skeleton.rest[number]).max() < 2e-6
    assert np.abs(back.tails - skeleton.tails[number]).max() < 2e-6
    own = Weights(weights.values, weights.joints % len(back))
    assert armature.deliver(delivery(item, back, own, options)) == rig.name
    assert len(bpy.data.armatures) == 1 and item.modifiers["Armature"].object == rig and item.parent is None
    with pytest.raises(BadRequest, match="vertex groups of these bones"):
        captured.rig_options(bpy.context, None, item.name, None)


def test_a_scene_in_centimetres():
    mesh, skeleton, weights = figure()
    bpy.context.scene.unit_settings.scale_length = 0.01
    item = placed({**mesh, "vertices": mesh["vertices"] * 100})
    options = captured.rig_options(bpy.context, None, item.name, None)
    arrays = captured.rig_inputs(bpy.context, None, item.name, None, options)
    assert np.abs(arrays["vertices"] - mesh["vertices"]).max() < 1e-5
    rig = bpy.data.objects[armature.deliver(delivery(item, skeleton, weights, options))]
    heads = np.array([bone.head_local for bone in rig.data.bones])
    assert np.abs(np.sort(heads[:, 0]) - np.sort(100 * skeleton.heads[:, 0])).max() < 1e-3


def test_markers_go_in_and_a_changed_mesh_is_refused():
    mesh, skeleton, weights = figure()
    item = placed(mesh, Matrix.Translation((5, 0, 0)))
    empties = armature.place_markers(item, "humanoid")
    assert len(empties) == 8
    empties[0].location = (5.0, 0.25, 0.5)
    options = captured.rig_options(bpy.context, None, item.name, None)
    bpy.context.view_layer.update()
    arrays = captured.rig_inputs(bpy.context, None, item.name, None, options)
    names = bytes(arrays["marker_names"]).decode().split("\n")
    assert np.allclose(arrays["markers"][names.index(empties[0]["maquette_marker"])], (0.0, 0.25, 0.5), atol=1e-6)
    item.data.clear_geometry()
    item.data.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    before = set(bpy.data.objects.keys())
    with pytest.raises(BrokenMesh, match="rig it again"):
        armature.deliver(delivery(item, skeleton, weights, options))
    assert set(bpy.data.objects.keys()) == before and not bpy.data.armatures


def test_broken_results_leave_the_scene_alone():
    mesh, skeleton, weights = figure()
    item = placed(mesh)
    broken = {**skeleton.arrays(), **weights.arrays(), "joint_parents": np.zeros(len(skeleton), np.int16)}
    with pytest.raises(BrokenMesh, match="parent"):
        armature.deliver(Delivery("job", "", "", Place("Scene"), broken, {}, item.name, {}))
    assert not item.modifiers and not item.vertex_groups and not bpy.data.armatures


@pytest.mark.parametrize("unit", [1.0, 0.01])
def test_an_avatar_comes_with_armature_and_motion(make_ball, unit):
    """Its second frame is where skinning of the motion's second frame is, whatever the scene's unit."""
    bpy.context.scene.unit_settings.scale_length = unit
    bpy.context.scene.render.fps = 24
    ball = make_ball()
    _, skeleton, _ = figure(vertices=3)
    count, rng = len(ball["vertices"]), np.random.default_rng(4)
    joints = rng.integers(0, len(skeleton), (count, 4)).astype(np.uint16)
    weights = Weights(rng.dirichlet(np.ones(4), count).astype(np.float32), joints)
    turns = np.stack([random_turns(rng, len(skeleton), 0.3) for _ in range(3)])
    quaternions = np.array([[Matrix(one.tolist()).to_quaternion() for one in frame] for frame in turns], np.float32)
    root = rng.normal(0, 0.2, (3, 3)).astype(np.float32)
    motion = Motion(continuous(quaternions), root, np.zeros((3, 4), np.uint8), 24.0)
    arrays = {**ball, **skeleton.arrays(), **weights.arrays(), **motion.to_arrays()}
    report = {"naming": "unreal", "motion": motion.facts()}
    place = Place("Scene", tuple(value for row in Matrix.Translation((4.0, 0, 0)) for value in row))
    item = bpy.data.objects[armature.deliver_avatar(Delivery("job", "a knight", "Knight", place, arrays, report))]
    rig = item.parent
    assert (item.name, rig.type, rig.animation_data.action is not None) == ("Knight", "ARMATURE", True)
    assert "upperarm_l" in rig.data.bones and item.modifiers["Armature"].object == rig
    bpy.context.scene.frame_set(2)
    want = skinned(ball["vertices"], skeleton, weights, turns[1], motion.root[1].astype(float)) / unit + [4.0, 0, 0]
    assert np.abs(evaluated(item) - want).max() * unit < 2 * BOUND
