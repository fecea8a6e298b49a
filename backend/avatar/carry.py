# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights of what is worn: a hat goes with the head as one piece, a skirt hangs from the hips and minds both legs.

Looked up from the skin below, a brim would bend with the neck and a hem would tear where the nearest leg changes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.avatar.figure import HANGS, Figure
from protocol.skeleton import Weights

INFLUENCES = 4
LEGS_AT_HEM = 0.7  # share of the legs in the hem of a skirt; the rest stays with the hips
FADE = 0.2  # of a skirt's length from the waist in which it still goes with the skin


def worn_weights(figure: Figure, vertices: NDArray[np.float32], part: NDArray[np.int64], weights: Weights) -> Weights:
    """The weights of a figure's mesh (V, 3), metres at rest, with those of worn solids put right; `part` (V,) tells
    the part that each vertex belongs to."""
    asset = figure.body.asset
    dense = weights.dense(len(asset.names)).astype(np.float64)
    for number, one in enumerate(figure.parts):
        mine = np.flatnonzero(part == number)
        if not len(mine) or not one.follow:
            continue
        if one.follow == HANGS:
            top, low = one.vertices[:, 2].max(), one.vertices[:, 2].min()
            down = np.clip((top - vertices[mine, 2]) / max(top - low, 1e-6), 0, 1)
            own = hanging(figure, vertices[mine], down)
            fade = _smooth(down / FADE)[:, None]
            dense[mine] = (1 - fade) * dense[mine] + fade * own
        else:
            dense[mine] = 0.0
            dense[mine, asset.joint(one.follow)] = 1.0
    order = np.argsort(-dense, axis=1, kind="stable")[:, :INFLUENCES]
    values = np.take_along_axis(dense, order, 1)
    values /= values.sum(1, keepdims=True)
    return Weights(values.astype(np.float32), np.where(values > 0, order, 0).astype(np.uint16))


def hanging(figure: Figure, vertices: NDArray[np.float32], down: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, J) weights of a skirt at places (N, 3), `down` (N,) 0 at its waist to 1 at its hem."""
    asset, body = figure.body.asset, figure.body
    out = np.zeros((len(vertices), len(asset.names)))
    legs = LEGS_AT_HEM * _smooth(down)
    hips = abs(body.heads[asset.joint("LeftUpLeg")][0])
    left = _smooth(0.5 + vertices[:, 0] / (4 * hips))
    knee = body.heads[asset.joint("LeftLeg")][2]
    below = 0.5 * _smooth((knee + 0.1 - vertices[:, 2]) / 0.3)  # of a leg's share that goes with the shin
    for side, share in (("Left", left), ("Right", 1 - left)):
        out[:, asset.joint(side + "UpLeg")] = legs * share * (1 - below)
        out[:, asset.joint(side + "Leg")] = legs * share * below
    out[:, asset.joint("Hips")] = 1 - legs
    return out


def _smooth(value: NDArray[np.float64]) -> NDArray[np.float64]:
    t = np.clip(value, 0, 1)
    return t * t * (3 - 2 * t)
