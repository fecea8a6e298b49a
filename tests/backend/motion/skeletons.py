# SPDX-License-Identifier: GPL-3.0-or-later
"""Skeletons for the tests of motion, made here: humans that rest in a T or an A, and animals."""

from __future__ import annotations

import numpy as np

from backend.motion.figure import CHILD, PARENTS, ROLES
from protocol.skeleton import Skeleton


def human(spread: float = 0.8, size: float = 1.0, seed: int | None = None) -> Skeleton:
    """22 joints in our names; arms `spread` radians below the horizontal; bones' axes turned at random with a seed."""
    place = {"Hips": (0, 0, 0.98), "Spine": (0, 0.01, 1.08), "Spine1": (0, 0.02, 1.2), "Spine2": (0, 0.03, 1.32),
             "Neck": (0, 0.02, 1.52), "Head": (0, 0, 1.6)}
    for side, sign in (("Left", 1), ("Right", -1)):
        shoulder = np.array([sign * 0.18, 0.02, 1.46])
        along = np.array([sign * np.cos(spread), 0.0, -np.sin(spread)])
        place |= {
            f"{side}Shoulder": (sign * 0.03, 0.01, 1.46), f"{side}Arm": shoulder,
            f"{side}ForeArm": shoulder + along * 0.28 + [0, 0.01, 0], f"{side}Hand": shoulder + along * 0.53,
            f"{side}UpLeg": (sign * 0.09, 0, 0.93), f"{side}Leg": (sign * 0.1, -0.01, 0.5),
            f"{side}Foot": (sign * 0.11, 0.03, 0.085), f"{side}ToeBase": (sign * 0.125, -0.1, 0.02),
        }
    heads = np.array([place[name] for name in ROLES], float) * size
    tails = np.array([heads[child] if child >= 0 else heads[n] + 0.5 * (heads[n] - heads[PARENTS[n]])
                      for n, child in enumerate(CHILD)])
    for n, name in enumerate(ROLES):
        if "Toe" in name:
            tails[n] = heads[n] + np.array([0, -0.07, -0.01]) * size
    turns = np.tile(np.eye(3), (len(ROLES), 1, 1))
    if seed is not None:
        turns = np.linalg.qr(np.random.default_rng(seed).normal(size=turns.shape))[0]
        turns *= np.linalg.det(turns)[:, None, None]
    return Skeleton(heads, tails, turns, np.array(PARENTS), ROLES)


def chains(joints: dict[str, tuple]) -> Skeleton:
    """name: (parent, head, tail where no joint follows)."""
    names = list(joints)
    heads = np.array([joints[name][1] for name in names], float)
    parents = [names.index(joints[name][0]) if joints[name][0] else -1 for name in names]
    tails = heads + [0.0, -0.05, -0.02]
    for n, name in enumerate(names):
        children = [k for k, above in enumerate(parents) if above == n]
        if len(joints[name]) > 2:
            tails[n] = joints[name][2]
        elif children:
            tails[n] = heads[children[0]]
    return Skeleton(heads, tails, np.tile(np.eye(3), (len(names), 1, 1)), np.array(parents), tuple(names))


def dog() -> Skeleton:
    joints = {
        "Hips": ("", (0, 0.35, 0.55)), "Spine": ("Hips", (0, 0.2, 0.56)), "Spine1": ("Spine", (0, 0.05, 0.56)),
        "Spine2": ("Spine1", (0, -0.15, 0.56)), "Neck": ("Spine2", (0, -0.32, 0.6)), "Neck1": ("Neck", (0, -0.4, 0.68)),
        "Head": ("Neck1", (0, -0.48, 0.76), (0, -0.65, 0.72)), "Tail": ("Hips", (0, 0.42, 0.55)),
        "Tail1": ("Tail", (0, 0.5, 0.5)), "Tail2": ("Tail1", (0, 0.57, 0.44), (0, 0.63, 0.38)),
    }
    for side, x in (("Left", 0.1), ("Right", -0.1)):
        front, hind = f"{side}Front", f"{side}Hind"
        joints |= {
            f"{front}Shoulder": ("Spine2", (x * 0.6, -0.22, 0.6)),
            f"{front}UpLeg": (f"{front}Shoulder", (x, -0.32, 0.45)),
            f"{front}Leg": (f"{front}UpLeg", (x, -0.22, 0.32)), f"{front}Foot": (f"{front}Leg", (x, -0.26, 0.12)),
            f"{front}Toe": (f"{front}Foot", (x, -0.27, 0.03), (x, -0.33, 0.01)),
            f"{hind}UpLeg": ("Hips", (x, 0.36, 0.48)), f"{hind}Leg": (f"{hind}UpLeg", (x, 0.28, 0.3)),
            f"{hind}Foot": (f"{hind}Leg", (x, 0.42, 0.16)),
            f"{hind}Toe": (f"{hind}Foot", (x, 0.38, 0.03), (x, 0.31, 0.01)),
        }
    return chains(joints)


def snake(count: int = 20) -> Skeleton:
    points = [(0, -1 + n * 0.1, 0.04) for n in range(count)]
    joints = {"Hips": ("", points[1], points[2]), "Head": ("Hips", points[1], points[0])}
    for n in range(count - 3):
        above = "Hips" if n == 0 else f"Spine{n - 1}" if n > 1 else "Spine"
        joints[f"Spine{n}" if n else "Spine"] = (above, points[n + 2], points[n + 3])
    return chains(joints)


def bird() -> Skeleton:
    joints = {
        "Hips": ("", (0, 0.1, 0.3)), "Spine": ("Hips", (0, 0, 0.32)), "Neck": ("Spine", (0, -0.15, 0.36)),
        "Head": ("Neck", (0, -0.25, 0.42), (0, -0.35, 0.4)), "Tail": ("Hips", (0, 0.2, 0.3)),
        "Tail1": ("Tail", (0, 0.3, 0.3), (0, 0.4, 0.29)),
    }
    for side, x in (("Left", 1), ("Right", -1)):
        joints |= {
            f"{side}Wing": ("Spine", (x * 0.06, -0.05, 0.36)), f"{side}ForeWing": (f"{side}Wing", (x * 0.25, 0, 0.37)),
            f"{side}HandWing": (f"{side}ForeWing", (x * 0.5, 0.02, 0.37), (x * 0.8, 0.08, 0.36)),
            f"{side}UpLeg": ("Hips", (x * 0.05, 0.1, 0.27)), f"{side}Leg": (f"{side}UpLeg", (x * 0.06, 0.05, 0.18)),
            f"{side}Foot": (f"{side}Leg", (x * 0.06, 0.12, 0.1)),
            f"{side}Toe": (f"{side}Foot", (x * 0.06, 0.08, 0.01), (x * 0.06, 0.02, 0)),
        }
    return chains(joints)


def heads_of(skeleton: Skeleton, motion) -> np.ndarray:
    """(T, J, 3): forward kinematics in float64, written here and nowhere else."""
    w, x, y, z = np.moveaxis(motion.rotations.astype(np.float64), -1, 0)
    turn = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y), 2 * (x * y + w * z),
                     1 - 2 * (x * x + z * z), 2 * (y * z - w * x), 2 * (x * z - w * y), 2 * (y * z + w * x),
                     1 - 2 * (x * x + y * y)], -1).reshape(*w.shape, 3, 3)
    rest, places = skeleton.rotations.astype(np.float64), skeleton.heads.astype(np.float64)
    world, heads = np.empty_like(turn), np.empty((*w.shape, 3))
    for joint, parent in enumerate(skeleton.parents):
        if parent < 0:
            world[:, joint] = rest[joint] @ turn[:, joint]
            heads[:, joint] = places[joint] + motion.root
        else:
            world[:, joint] = world[:, parent] @ (rest[parent].T @ rest[joint]) @ turn[:, joint]
            step = rest[parent].T @ (places[joint] - places[parent])
            heads[:, joint] = heads[:, parent] + (world[:, parent] @ step[:, None])[..., 0]
    return heads
