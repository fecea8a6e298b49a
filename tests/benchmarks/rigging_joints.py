# SPDX-License-Identifier: GPL-3.0-or-later
"""How far found joints are from those that people placed: `python tests/benchmarks/rigging_joints.py`.

The mannequin of the data folder in its T-pose and bent into other poses with its own hand-made weights; dressed figures
whose joints are the body's; the fox against its rig. J2J is the mean distance to the nearest joint, both ways, in % of
the height (of the fox: of the length); `named` compares joints of the same name (reference avatars-and-motion, 6.2).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from backend.avatar.dress import dress  # noqa: E402
from backend.avatar.reading import read  # noqa: E402
from backend.rigging import animals, creatures  # noqa: E402
from backend.rigging.humanoid import humanoid  # noqa: E402
from backend.rigging.intake import take_in  # noqa: E402
from backend.rigging.posing import pose, rotation_vectors  # noqa: E402
from tests.benchmarks.rigging import Truth, from_file  # noqa: E402
from tests.benchmarks.skinned import DATA  # noqa: E402

BAR = 2.2  # % of the height
SAME = {"hips": "Hips", "neck": "Neck", "head": "Head"} | {
    f"{theirs}.{side}": word + ours for side, word in (("L", "Left"), ("R", "Right")) for theirs, ours in (
        ("upper_arm", "Arm"), ("forearm", "ForeArm"), ("hand", "Hand"), ("thigh", "UpLeg"), ("shin", "Leg"),
        ("foot", "Foot"), ("toe", "ToeBase"))}
"""The mannequin's joints (without DEF-) and ours."""
X, Y, Z = (1, 0, 0), (0, 1, 0), (0, 0, 1)
POSES: dict[str, dict[str, tuple[tuple[int, int, int], float]]] = {
    "T": {},
    "A": {"upper_arm.L": (Y, 45), "upper_arm.R": (Y, -45)},
    "arms at the sides": {"upper_arm.L": (Y, 75), "upper_arm.R": (Y, -75)},
    "arms up": {"upper_arm.L": (Y, -70), "upper_arm.R": (Y, 70)},
    "walking": {"upper_arm.L": (Y, 75), "upper_arm.R": (Y, -75), "thigh.L": (X, -30), "shin.L": (X, 20),
                "thigh.R": (X, 20), "shin.R": (X, 15)},
    "odd": {"upper_arm.L": (Z, -60), "forearm.L": (Z, -50), "upper_arm.R": (Y, -60), "thigh.L": (Y, -30)},
    "sitting": {"thigh.L": (X, -85), "thigh.R": (X, -85), "shin.L": (X, 85), "shin.R": (X, 85), "upper_arm.L": (Y, 60),
                "upper_arm.R": (Y, -60)},
}
"""Turns in degrees about the world's axes."""
PROMPTS = (
    "a tall muscular man with short black hair wearing a red jacket and blue jeans",
    "an elderly woman with long white hair in a green dress", "a child in a yellow raincoat and boots",
    "a knight in armour with a helmet and a cloak",
)


def bent(truth: Truth, turns: dict[str, tuple[tuple[int, int, int], float]]
         ) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """(vertices, our names -> joints) of the mannequin in a pose."""
    skeleton = truth.skeleton
    vectors = np.zeros((1, len(skeleton), 3))
    for name, (axis, degrees) in turns.items():
        joint = skeleton.index(f"DEF-{name}")
        vectors[0, joint] = skeleton.rotations[joint].T @ np.array(axis, float) * np.radians(degrees)
    moved = pose(skeleton, rotation_vectors(vectors))[0]
    points = np.concatenate([truth.vertices, np.ones((len(truth.vertices), 1))], 1)
    vertices = np.einsum("vj,jab,vb->va", truth.weights, moved[:, :3], points, optimize=True)
    heads = np.einsum("jab,jb->ja", moved[:, :3, :3], skeleton.heads) + moved[:, :3, 3]
    return vertices, {ours: heads[skeleton.index(f"DEF-{theirs}")] for theirs, ours in SAME.items()}


def judged(name: str, vertices: NDArray[Any], faces: NDArray[Any], joints: dict[str, NDArray[np.float64]], height: float
           ) -> dict[str, Any]:
    """One row for a humanoid: errors in % of the height and what the product says of itself."""
    begin = time.process_time()
    given = take_in(vertices, faces)
    found = humanoid(given, 320, False)
    seconds = time.process_time() - begin
    skeleton = given.turned(found.quarters).frame.outward(found.skeleton)
    both = [joint for joint in joints if joint in skeleton.names]
    ours = np.array([skeleton.heads[skeleton.index(joint)] for joint in both])
    theirs = np.array([joints[joint] for joint in both])
    away = 100 / height * np.linalg.norm(ours[:, None] - theirs[None], axis=2)
    named = np.diag(away)
    return {
        "mesh": name, "j2j": round(float(0.5 * (away.min(0).mean() + away.min(1).mean())), 2),
        "named": round(float(named.mean()), 2), "worst": round(float(named.max()), 1), "at": both[int(named.argmax())],
        "residual": round(100 * found.residual, 2), "confidence": round(found.confidence, 2),
        "needs_markers": found.needs_markers, "missing": list(found.missing), "cpu_seconds": round(seconds, 1),
    }


def fox(truth: Truth) -> dict[str, Any]:
    """J2J of the quadruped's template against the fox's rig without its ears, chin and belly, in % of the length."""
    length = float(np.ptp(truth.vertices[:, 1]))
    rows: dict[str, Any] = {"mesh": "fox"}
    names = truth.skeleton.names
    wanted = [at for at, name in enumerate(names) if truth.deforming[at]
              and not any(part in name for part in ("Ear", "Chin", "Stomach", "Nose", "tip", "Tip_"))]
    theirs = truth.skeleton.heads[wanted]
    low, high = truth.vertices.min(0), truth.vertices.max(0)
    feet = {f"{side.lower()}_{end.lower()}_foot": truth.skeleton.heads[names.index(f"{bone}_Tip_{side[0]}")]
            for side in ("Left", "Right") for end, bone in (("Front", "Front_Leg"), ("Hind", "Back_Leg"))}
    marks = feet | {"nose": truth.vertices[truth.vertices[:, 1].argmin()],
                    "tail_tip": truth.vertices[truth.vertices[:, 1].argmax()]}
    given = take_in(truth.vertices, truth.faces)
    for label, markers in (("alone", {}), ("with 6 markers", marks)):
        inward = {name: given.frame.inward(place[None])[0] for name, place in markers.items()}
        found = animals.quadruped(given, *creatures.tips_of(given), inward)
        ours = given.frame.outward(found.skeleton).heads
        away = 100 / length * np.linalg.norm(ours[:, None] - theirs[None], axis=2)
        rows[label] = round(float(0.5 * (away.min(0).mean() + away.min(1).mean())), 2)
    return rows | {"height": round(float((high - low)[2]), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "rigging")
    parser.add_argument("--only", choices=("mannequin", "dressed", "fox"), default="")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []

    def add(row: dict[str, Any]) -> None:
        rows.append(row)
        print(json.dumps(row), flush=True)

    clips = DATA / "motion"
    if arguments.only in ("", "fox") and (clips / "fox-animations.glb").is_file():
        add(fox(from_file("fox", clips / "fox-animations.glb")))
    if arguments.only in ("", "dressed"):
        for prompt in PROMPTS:
            figure = dress(read(prompt).look)
            vertices, faces = figure.joined()
            names = figure.body.asset.names
            joints = {name: figure.body.heads[names.index(name)] for name in SAME.values()}
            add(judged(prompt, vertices, faces, joints, figure.body.height))
    if arguments.only in ("", "mannequin") and (clips / "human-base-animations.glb").is_file():
        truth = from_file("mannequin", clips / "human-base-animations.glb")
        height = float(np.ptp(truth.vertices[:, 2]))
        for name, turns in POSES.items():
            vertices, joints = bent(truth, turns)
            add(judged(f"mannequin, {name}", vertices, truth.faces, joints, height))
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "joints.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
