# SPDX-License-Identifier: GPL-3.0-or-later
"""The parametric body fitted to a humanoid surface: pose, sliders, size and place by gradient descent on distances.

The surface is points with normals, Z up, facing -Y, 1.7 m tall. Distances count both ways, robustly, with a scale that
shrinks; pairs whose normals oppose hardly count. What is left of the distance tells whether the fit can be trusted
(reference avatars-and-motion, section 6.5). Markers that an artist placed pull joints towards them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from backend.avatar.body import AXES, CAVITY, EYE, HAND, LOCALS, TONGUE, BodyAsset, body_asset
from backend.geometry.mesh import vertex_normals
from backend.rigging.transfer import skeleton_of
from protocol.skeleton import Skeleton

BODY_POINTS = 3000
MOVING = (
    "Hips", "Spine", "Spine1", "Spine2", "Neck", "Head",
    *(side + name for side in ("Left", "Right")
      for name in ("Shoulder", "Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot", "ToeBase")),
)
"""Joints with a rotation of their own; fingers follow the hand."""
STIFF = {
    "Hips": (0.3, 0.3, 0.3), "Spine": (4, 4, 4), "Spine1": (4, 4, 4), "Spine2": (4, 4, 4), "Neck": (3, 3, 3),
    "Head": (3, 3, 3), "Shoulder": (4, 4, 4), "Arm": (0.3, 0.3, 0.3), "ForeArm": (1, 1, 1), "Hand": (3, 3, 3),
    "UpLeg": (1, 2, 4), "Leg": (1, 20, 20), "Foot": (2, 6, 6), "ToeBase": (6, 12, 12),
}
"""How much the prior holds a joint against turning about X, Y and Z; knees and ankles are hinges about X, or shins
cross over to the other foot where legs are close together."""
NEAR = 0.025  # of the height; skin that belongs to a surface lies nearer to it
LIMBS = {side + name: (side + name, side + end) for side in ("Left", "Right")
         for name, end in (("ForeArm", "Hand"), ("Leg", "Foot"))}
"""First bone of a limb that a mesh may lack, and the joints whose skin is asked."""
USUAL = (0.4, 0.68, 0.5, 0.5, 0.5, 0.15)  # sliders in the order of AXES: an ordinary adult
PULL, FREE = 20.0, 0.03  # of markers: weight, and metres that they may lie off the joint
HOLD = 0.002  # weight of the priors on sliders and stiff joints
LOOSE = 0.2  # of that, for arms and legs
STARTS = (0.75, 0.0, -0.6, 2.0)  # radians that the arms are raised from the A-pose: T, A, hanging, above the head

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Surface:
    """What is fitted to: points (N, 3) metres and unit normals (N, 3), evenly over the outside."""

    points: Floats
    normals: Floats


@dataclass(frozen=True, eq=False)
class Fit:
    """skeleton: in the surface's frame, the surface's pose as its rest. residual: mean distance of both ways in parts
    of the height; covered: that of the body's skin from the surface alone, which hair, tails and cloaks do not change.
    misses: share of each limb's skin that has no surface that faces the same way near it; uncovered: share of the
    surface that lies far from the body. sliders: of the body. start: arms' angle of the best start."""

    skeleton: Skeleton
    residual: float
    covered: float
    misses: dict[str, float]
    uncovered: float
    sliders: dict[str, float]
    start: float


@dataclass(frozen=True, eq=False)
class Model:
    """The asset's numbers as tensors, cut down to the points that are compared."""

    base: Tensor  # (3P,)
    corners: Tensor  # (288, K)
    basis: Tensor  # (K, 3P)
    local: Tensor  # (L, 2, 3P)
    skin: Tensor  # (N, M) of the moving joints
    normals: Tensor  # (N, 3)
    parents: tuple[int, ...]  # of the moving joints
    own: tuple[int, ...]  # moving joints as joints of the asset
    follows: NDArray[np.int64]  # (J,) the moving joint that each joint of the asset is rigid with
    joints: int
    asset: BodyAsset


@lru_cache(maxsize=1)
def model() -> Model:
    """The shipped body made ready, once a process."""
    asset = body_asset()
    names, count = asset.names, len(asset.names)
    own = tuple(names.index(name) for name in MOVING)
    follows = np.zeros(count, np.int64)
    for joint in range(count):
        at = joint
        while at not in own:
            at = int(asset.parents[at])
        follows[joint] = own.index(at)
    neutral = asset.evaluate()
    outside = ~np.isin(asset.face_parts, (EYE, CAVITY, TONGUE))
    triangles = asset.triangles[np.repeat(outside, 2)]
    span = neutral.vertices[triangles]
    area = np.linalg.norm(np.cross(span[:, 1] - span[:, 0], span[:, 2] - span[:, 0]), axis=1)
    hands = np.repeat(asset.face_parts[outside] == HAND, 2)
    share = np.zeros(len(neutral.vertices))
    np.add.at(share, triangles, (area * np.where(hands, 0.5, 1.0))[:, None])  # hands are often simple or closed
    chosen = np.sort(np.random.default_rng(0).choice(len(share), BODY_POINTS, replace=False, p=share / share.sum()))
    total = len(neutral.vertices)
    rows = np.r_[chosen, total + np.arange(2 * count)]
    columns = (rows[:, None] * 3 + np.arange(3)).ravel()
    dense = np.zeros((len(chosen), len(own)))
    spread = np.repeat(np.arange(len(chosen)), asset.weights.shape[1])
    np.add.at(dense, (spread, follows[asset.weight_joints[chosen]].ravel()), asset.weights[chosen].ravel())
    parents = tuple(-1 if asset.parents[j] < 0 else int(follows[asset.parents[j]]) for j in own)
    facing = vertex_normals(neutral.vertices, asset.triangles)[chosen]

    def tensor(values: NDArray[np.floating]) -> Tensor:
        return torch.tensor(np.asarray(values), dtype=torch.float32)

    return Model(
        tensor(asset._mean[columns]), tensor(asset._corners), tensor(asset._basis[:, columns]),
        tensor(asset._locals[:, :, columns]), tensor(dense), tensor(facing), parents, own, follows, count, asset,
    )


@dataclass
class State:
    """What is optimised: logits of the sliders, local sliders before tanh, rotation vectors, log size, place."""

    sliders: Tensor
    local: Tensor
    turns: Tensor
    size: Tensor
    place: Tensor


def fit(surface: Surface, steps: int = 320, check: Callable[[], None] = lambda: None,
        tell: Callable[[float], None] = lambda done: None, markers: Mapping[str, Floats] | None = None,
        angles: tuple[float, ...] = STARTS) -> Fit:
    """The body that lies nearest to the surface. Deterministic on one machine.

    steps: of all together; a third tries the starts. markers: places (3,) of chin, groin, elbows, wrists, knees.
    angles: of the arms to start from.
    """
    body = model()
    known = markers or {}
    trial = max(steps // 12, 4)
    ran = 0
    whole = len(angles) * trial + max(steps - len(angles) * trial, 8)

    def counted() -> None:
        nonlocal ran
        ran += 1
        check()
        if ran % 4 == 0:
            tell(min(ran / whole, 1.0))

    starts = []
    for raised in angles:
        state = begin(body, surface, raised, known)
        loss = descend(body, state, surface, trial, (0.3, 0.2), False, counted, known)
        starts.append((loss, raised, state))
    _, raised, state = min(starts, key=lambda one: one[0])
    left = max(steps - len(angles) * trial, 8)
    descend(body, state, surface, left * 2 // 5, (0.2, 0.08), False, counted, known)
    descend(body, state, surface, left - left * 2 // 5, (0.08, 0.05), True, counted, known)
    with torch.no_grad():
        points, normals, heads, tails, turns = posed(body, state)
    height = float(np.ptp(surface.points[:, 2]))
    skin = points.numpy().astype(np.float64)
    residual = chamfer(skin, surface.points) / height
    tree = cKDTree(surface.points)
    away, near = tree.query(skin, 4)
    covered = float(away[:, 0].mean() / height)
    agree = np.einsum("nki,ni->nk", surface.normals[near], normals.numpy()) > 0.2
    met = ((away < NEAR * height) & agree).any(1)
    owner = body.skin.argmax(1).numpy()
    misses = {limb: float(1 - met[np.isin(owner, [MOVING.index(name) for name in parts])].mean())
              for limb, parts in LIMBS.items()}
    uncovered = float((cKDTree(skin).query(surface.points)[0] > 1.5 * NEAR * height).mean())
    values = dict(zip(AXES, torch.sigmoid(state.sliders).tolist(), strict=True))
    values |= dict(zip(LOCALS, torch.tanh(state.local).tolist(), strict=True))
    return Fit(_skeleton(body, values, heads, tails, turns), residual, covered, misses, uncovered, values, raised)


def begin(body: Model, surface: Surface, raised: float, markers: Mapping[str, Floats]) -> State:
    """An ordinary adult of the surface's height, where it stands, arms raised by so many radians; with markers of the
    size and at the place that they say, which huge hair does not change."""
    turns = torch.zeros(len(MOVING), 3)
    for joint, name in enumerate(MOVING):
        if name in ("LeftArm", "RightArm"):
            # Seen from the front the left arm points to +X; it rises by turning about -Y, the right one about +Y.
            turns[joint, 1] = -raised if name.startswith("Left") else raised
    sliders = torch.logit(torch.tensor(USUAL))
    state = State(sliders, torch.zeros(len(LOCALS)), turns, torch.zeros(()), torch.zeros(3))
    with torch.no_grad():
        points = posed(body, state)[0]
        low, high = points.min(0).values, points.max(0).values
        state.size = torch.log(torch.tensor(np.ptp(surface.points[:, 2]), dtype=torch.float32) / (high - low)[2])
        points = posed(body, state)[0]
        goal = torch.tensor(surface.points, dtype=torch.float32)
        state.place = goal.median(0).values - points.median(0).values
        state.place[2] = goal[:, 2].min() - points[:, 2].min()
        if markers:
            _, _, heads, tails, _ = posed(body, state)
            own = torch.stack([_own(name, heads, tails) for name in sorted(markers)])
            want = torch.tensor(np.array([markers[name] for name in sorted(markers)]), dtype=torch.float32)
            state.size = state.size + torch.log((want - want.mean(0)).norm() / (own - own.mean(0)).norm())
            _, _, heads, tails, _ = posed(body, state)
            own = torch.stack([_own(name, heads, tails) for name in sorted(markers)])
            state.place = state.place + want.mean(0) - own.mean(0)
    for one in (state.sliders, state.local, state.turns, state.size, state.place):
        one.requires_grad_(True)
    return state


def descend(body: Model, state: State, surface: Surface, steps: int, scales: tuple[float, float], local: bool,
            check: Callable[[], None], markers: Mapping[str, Floats]) -> float:
    """Adam with the given robust scale, from the first to the second; returns the last distances' mean."""
    rates = [(state.turns, 0.03), (state.sliders, 0.06), (state.size, 0.01), (state.place, 0.01)]
    rates += [(state.local, 0.03)] if local else []
    optimiser = torch.optim.Adam([{"params": [one], "lr": rate} for one, rate in rates])
    goal = torch.tensor(surface.points, dtype=torch.float32)
    facing = torch.tensor(surface.normals, dtype=torch.float32)
    tree = cKDTree(surface.points)
    stiff = torch.tensor([STIFF[name.removeprefix("Left").removeprefix("Right")] for name in MOVING])
    pull = [(name, torch.tensor(markers[name], dtype=torch.float32)) for name in sorted(markers)]
    usual = torch.logit(torch.tensor(USUAL))
    value = np.inf
    for step in range(steps):
        check()
        scale = scales[0] * (scales[1] / scales[0]) ** (step / max(steps - 1, 1))
        for group, (_, rate) in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (1.0 if step < 0.7 * steps else 0.3)
        points, normals, heads, tails, _ = posed(body, state)
        here = points.detach().numpy().astype(np.float64)
        there = torch.from_numpy(tree.query(here)[1])
        back = torch.from_numpy(cKDTree(here).query(surface.points)[1])
        loss = torch.zeros(())
        for own, own_normal, other, other_normal in (
            (points, normals, goal[there], facing[there]), (points[back], normals[back], goal, facing)
        ):
            square = (own - other).square().sum(1)
            agree = torch.where((own_normal.detach() * other_normal).sum(1) > 0, 1.0, 0.1)
            loss = loss + (agree * square / (square + scale**2)).mean()
        if step == steps - 1:
            value = float(loss.detach())
        bent = (stiff * state.turns.square()).sum(1)
        loss = loss + HOLD * (bent[:6].sum() + LOOSE * bent[6:].sum())
        loss = loss + HOLD * (state.sliders - usual).square().sum() + 0.01 * state.local.square().mean()
        for name, place in pull:
            loss = loss + PULL * _marked(name, place, heads, tails)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return value


def posed(body: Model, state: State) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """(points (N, 3), normals (N, 3), heads (J, 3), tails (J, 3), rotations (M, 3, 3) of the moving joints)."""
    sliders, local = torch.sigmoid(state.sliders), torch.tanh(state.local)
    corners = torch.ones(1)
    for value, anchors in zip(sliders, AXES.values(), strict=True):
        knots = torch.tensor(anchors)
        gap = (knots[1:] - knots[:-1])
        rise = ((value - knots[:-1]) / gap).clamp(0, 1)
        share = torch.cat([torch.ones(1), rise]) - torch.cat([rise, torch.zeros(1)])
        corners = (corners[:, None] * share).reshape(-1)
    flat = body.base + (corners @ body.corners) @ body.basis
    flat = flat + local.clamp(min=0) @ body.local[:, 0] + (-local).clamp(min=0) @ body.local[:, 1]
    rest = flat.reshape(-1, 3) * state.size.exp()
    heads, tails = rest[-2 * body.joints : -body.joints], rest[-body.joints :]
    rest = rest[: -2 * body.joints]
    turn = rotations(state.turns)
    pivot = heads[list(body.own)]
    whole: list[Tensor] = []
    at: list[Tensor] = []
    for joint, parent in enumerate(body.parents):
        if parent < 0:
            whole.append(turn[joint])
            at.append(pivot[joint] + state.place)
        else:
            whole.append(whole[parent] @ turn[joint])
            at.append(at[parent] + whole[parent] @ (pivot[joint] - pivot[parent]))
    rotation = torch.stack(whole)
    shift = torch.stack(at) - (rotation @ pivot[:, :, None])[:, :, 0]
    blend = (body.skin @ rotation.reshape(-1, 9)).reshape(-1, 3, 3)
    points = (blend @ rest[:, :, None])[:, :, 0] + body.skin @ shift
    normals = torch.nn.functional.normalize((blend.detach() @ body.normals[:, :, None])[:, :, 0], dim=1)
    follow = torch.from_numpy(body.follows)

    def carried(ends: Tensor) -> Tensor:
        return (rotation[follow] @ ends[:, :, None])[:, :, 0] + shift[follow]

    return points, normals, carried(heads), carried(tails), rotation


def rotations(vectors: Tensor) -> Tensor:
    """(M, 3, 3) rotations of rotation vectors (M, 3), differentiable at zero."""
    angle = (vectors.square().sum(1) + 1e-12).sqrt()
    x, y, z = vectors.unbind(1)
    o = torch.zeros_like(x)
    k = torch.stack([o, -z, y, z, o, -x, -y, x, o], 1).reshape(-1, 3, 3)
    a, b = (torch.sin(angle) / angle)[:, None, None], ((1 - torch.cos(angle)) / angle**2)[:, None, None]
    return torch.eye(3) + a * k + b * (k @ k)


def chamfer(one: Floats, other: Floats) -> float:
    """Mean distance to the nearest point, both ways."""
    return 0.5 * float(cKDTree(one).query(other)[0].mean() + cKDTree(other).query(one)[0].mean())


def _own(name: str, heads: Tensor, tails: Tensor) -> Tensor:
    """(3,) where the body has the place that a marker names."""
    names = body_asset().names
    side = "Left" if name.startswith("left") else "Right"
    if name == "chin":
        return 0.75 * heads[names.index("Head")] + 0.25 * tails[names.index("Head")]
    if name == "groin":
        return 0.5 * (heads[names.index("LeftUpLeg")] + heads[names.index("RightUpLeg")])
    return heads[names.index(side + {"elbow": "ForeArm", "wrist": "Hand", "knee": "Leg"}[name.split("_")[1]])]


def _marked(name: str, place: Tensor, heads: Tensor, tails: Tensor) -> Tensor:
    """Squared distance of a marked place from where the body has it; joints lie inside, markers often on the skin, so
    that 3 cm are free."""
    away = (_own(name, heads, tails) - place).square().sum()
    return (away + 1e-10).sqrt().sub(FREE).clamp(min=0).square()


def _skeleton(body: Model, values: dict[str, float], heads: Tensor, tails: Tensor, turns: Tensor) -> Skeleton:
    """The fitted body's joints as they stand; frames turned with their bones."""
    rest = skeleton_of(body.asset.evaluate({name: min(max(value, 0.0 if name in AXES else -1.0), 1.0)
                                            for name, value in values.items()})).rotations
    frames = turns.numpy().astype(np.float64)[body.follows] @ rest
    return Skeleton(heads.numpy(), tails.numpy(), frames.astype(np.float32),
                    body.asset.parents.astype(np.int16), body.asset.names)
