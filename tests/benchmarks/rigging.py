# SPDX-License-Identifier: GPL-3.0-or-later
"""How good weights and skeletons are, measured against those that people made: `python tests/benchmarks/rigging.py`.

Meshes: the free body, whose weights MakeHuman's artists painted, and the mannequin and the fox of the data folder
beside the repository. Each is bound as it is, with clothing shells, as a triangle soup, and with a tenth of its faces
missing and a fifth turned over (reference avatars-and-motion, section 6.3). Prints a table and writes it as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from backend.avatar.body import body_asset  # noqa: E402
from backend.geometry.mesh import compact, vertex_normals  # noqa: E402
from backend.rigging.bind import bind  # noqa: E402
from backend.rigging.posing import pose, rotation_vectors, skin  # noqa: E402
from protocol.skeleton import Skeleton  # noqa: E402
from tests.benchmarks.skinned import DATA, read_skinned  # noqa: E402

BARS = {"clean": 0.35, "shells": 0.46, "soup": 0.37}
CASES = ("clean", "shells", "soup", "damaged")
HANDS = ("hand", "thumb", "index", "middle", "ring", "pinky")  # in the names of a hand's bones
POSES, SIGMA = 10, 0.35  # of the deformation error: poses, radians a joint and axis


@dataclass(frozen=True, eq=False)
class Truth:
    """A mesh with a skeleton and dense weights (V, J) that a person made; deforming (J,) are the joints that have
    any."""

    name: str
    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    skeleton: Skeleton
    weights: NDArray[np.float64]

    @property
    def deforming(self) -> NDArray[np.bool_]:
        return np.asarray(self.weights.sum(0) > 1)


def free_body(sliders: dict[str, float] | None = None) -> Truth:
    """The shipped body."""
    asset = body_asset()
    body = asset.evaluate(sliders)
    dense = np.zeros((len(body.vertices), len(asset.names)))
    np.add.at(dense, (np.arange(len(dense))[:, None], asset.weight_joints), asset.weights)
    skeleton = Skeleton(body.heads, body.tails, body.rest[:, :3, :3], asset.parents, asset.names)
    return Truth("body", body.vertices.astype(np.float64), asset.triangles.astype(np.int64), skeleton, dense)


def from_file(name: str, path: Path) -> Truth:
    """A skinned mesh of the data folder. Tails are where the child begins that goes on straightest; a leaf
    goes on like its parent."""
    one = read_skinned(path)
    count = len(one.names)
    tails = np.empty((count, 3))
    for joint in range(count):
        children = np.flatnonzero(one.parents == joint)
        if len(children):
            ways = one.joints[children] - one.joints[joint]
            back = one.joints[joint] - one.joints[one.parents[joint]] if one.parents[joint] >= 0 else ways[0]
            tails[joint] = one.joints[children[np.argmax(ways @ back / np.linalg.norm(ways, axis=1))]]
        else:
            back = one.joints[joint] - one.joints[one.parents[joint]]
            own = one.vertices[one.weights[:, joint] > 0.3]
            reach = (own - one.joints[joint]) @ (back / np.linalg.norm(back)) if len(own) else np.zeros(1)
            tails[joint] = one.joints[joint] + back / np.linalg.norm(back) * max(reach.max(), 0.01)
    skeleton = Skeleton(one.joints, tails, one.frames[:, :3, :3], one.parents, one.names)
    return Truth(name, one.vertices, one.faces, skeleton, one.weights)


def degraded(truth: Truth, case: str) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """(vertices, faces, true weights of these vertices) of one case; fixed seeds."""
    rng = np.random.default_rng(7)
    vertices, faces, weights = truth.vertices, truth.faces, truth.weights
    size = float(np.ptp(vertices, axis=0).max())
    if case == "shells":
        normals = vertex_normals(vertices, faces).astype(np.float64)
        height = (vertices[:, 2] - vertices[:, 2].min()) / np.ptp(vertices[:, 2])
        hands = [any(word in name.lower() for word in HANDS) for name in truth.skeleton.names]
        bare = np.array(hands)[weights.argmax(1)]
        all_vertices, all_faces, all_weights = [vertices], [faces], [weights]
        for low, high in ((0.08, 0.45), (0.48, 0.75), (0.76, 0.83)):  # trousers, shirt, scarf; no gloves
            inside = ((height > low) & (height < high) & ~bare)[faces].all(1)
            shell, own, kept = compact(vertices + 0.012 * size * normals, faces[inside], weights)
            all_faces.append(own.astype(np.int64) + sum(map(len, all_vertices)))
            all_vertices.append(shell)
            all_weights.append(kept)
        return np.concatenate(all_vertices), np.concatenate(all_faces), np.concatenate(all_weights)
    if case == "soup":
        loose = vertices[faces.ravel()]
        loose = loose + rng.normal(0, 2e-4 * size, loose.shape)
        return loose, np.arange(len(loose)).reshape(-1, 3), weights[faces.ravel()]
    if case == "damaged":
        kept = faces[rng.random(len(faces)) > 0.1]
        turned = rng.random(len(kept)) < 0.2
        kept = np.where(turned[:, None], kept[:, [0, 2, 1]], kept)
        return vertices, kept, weights
    return vertices, faces, weights


def measure(truth: Truth, case: str, resolution: int = 0) -> dict[str, Any]:
    """One cell of the table: l1, deformation error in % of the diagonal (mean, p99), unweighted vertices, seconds."""
    vertices, faces, weights = degraded(truth, case)
    begin = time.perf_counter()
    bound = bind(vertices, faces, truth.skeleton, resolution, deforming=truth.deforming)
    seconds = time.perf_counter() - begin
    count = len(truth.skeleton)
    own = bound.weights.dense(count)
    rng = np.random.default_rng(11)
    transforms = pose(truth.skeleton, rotation_vectors(rng.normal(0, SIGMA, (POSES, count, 3))))
    order = np.argsort(-weights, axis=1)[:, :8]
    exact = np.take_along_axis(weights, order, 1)
    away = np.concatenate([np.linalg.norm(
        skin(vertices, bound.weights, transforms[i : i + 1]) - _eight(vertices, exact, order, transforms[i : i + 1]),
        axis=-1).ravel() for i in range(POSES)])
    away *= 100 / np.linalg.norm(np.ptp(truth.vertices, axis=0))
    return {
        "mesh": truth.name, "case": case, "l1": round(float(np.abs(own - weights).sum(1).mean()), 3),
        "def_mean": round(float(away.mean()), 3), "def_p99": round(float(np.percentile(away, 99)), 2),
        "unweighted": int((own.sum(1) < 0.999).sum()), "most_influences": int((own > 0).sum(1).max()),
        "seconds": round(seconds, 2), **bound.facts,
    }


def _eight(vertices: NDArray[np.float64], values: NDArray[np.float64], joints: NDArray[np.int64],
           transforms: NDArray[np.float64]) -> NDArray[np.float64]:
    points = np.concatenate([vertices, np.ones((len(vertices), 1))], 1)
    blended = np.einsum("vk,tvkij->tvij", values, transforms[:, joints, :3])
    return np.asarray(np.einsum("tvij,vj->tvi", blended, points))


def subjects() -> list[Truth]:
    """Those that are there: the body always, mannequin and fox with the data folder."""
    found = [free_body()]
    for name, file in (("mannequin", "human-base-animations.glb"), ("fox", "fox-animations.glb")):
        if (DATA / "motion" / file).is_file():
            found.append(from_file(name, DATA / "motion" / file))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "rigging")
    parser.add_argument("--only", default="", help="names of meshes, with commas")
    parser.add_argument("--resolution", type=int, default=0)
    arguments = parser.parse_args()
    rows = []
    for truth in subjects():
        if arguments.only and truth.name not in arguments.only.split(","):
            continue
        for case in CASES:
            rows.append(measure(truth, case, arguments.resolution))
            print(json.dumps(rows[-1]), flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "weights.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
