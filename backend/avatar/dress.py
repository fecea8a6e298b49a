# SPDX-License-Identifier: GPL-3.0-or-later
"""From a look to a dressed figure: clothes are grown on the skin in their order, then hair, hats and loose things."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from backend.avatar.body import EYE, TONGUE, BodyAsset, body_asset
from backend.avatar.figure import Array, Figure, Fitting, Part, smoothed
from backend.avatar.hairdo import grow_hair
from backend.avatar.headgear import HEADGEAR
from backend.avatar.landmarks import INDEX
from backend.avatar.look import SKINS, Look, Worn
from backend.avatar.loose import LOOSE
from backend.avatar.patterns import LIPS, Paint, skin, step
from backend.avatar.solids import lump
from backend.avatar.wardrobe import GARMENTS, Garment

# What some loose things do to the skin under them: a dress has a bodice, a shoe hides the toes.
UNDER: dict[str, str] = {
    "dress": "tank top", "gown": "t-shirt", "robe": "shirt", "tutu": "swimsuit", "coat tails": "jacket",
    "shoes": "shoe lining", "trainers": "shoe lining", "boots": "boot lining", "tall boots": "tall boot lining",
}  # fmt: skip
KINDS: tuple[str, ...] = (*GARMENTS, *LOOSE, *HEADGEAR)
"""All that can be worn."""


def dress(look: Look, asset: BodyAsset | None = None) -> Figure:
    """The figure of a look. Raises ValueError naming a slider or a garment that is not known."""
    for one in look.worn:
        if one.kind not in KINDS:
            raise ValueError(f"the wardrobe has no {one.kind!r}, only {', '.join(KINDS)}")
    body = (asset or body_asset()).evaluate(look.sliders, look.scale)
    fit = Fitting(body, look)
    layers: list[tuple[Worn, Garment]] = []
    for one in look.worn:
        kind = UNDER.get(one.kind, one.kind)
        if kind in GARMENTS:
            _put_on(fit, GARMENTS[kind])
            layers.append((one, GARMENTS[kind]))
    for one in look.worn:
        if one.kind in LOOSE:
            LOOSE[one.kind](fit, one)
    grow_hair(fit)
    _close_mouth(fit)
    for one in look.worn:
        if one.kind in HEADGEAR:
            HEADGEAR[one.kind](fit, one)

    def paint(fields: Array) -> Array:
        out = skin(look, fields)
        for worn, garment in layers:
            there = garment.cover(fields) > 0
            if there.any():
                out[there] = garment.colours(worn, fields[there])
        return out

    # The tongue lies behind closed lips. Eyeballs overlap the head, so they are solids of their own.
    eye = body.asset.face_parts == EYE
    left = body.vertices[body.asset.faces[:, 0], 0] > 0
    groups = {"skin": ~eye & (body.asset.face_parts != TONGUE), "left eye": eye & left, "right eye": eye & ~left}
    own = [_piece(name, faces, fit, paint) for name, faces in groups.items()]
    return Figure(body, look, (*own, *fit.extra))


def _piece(name: str, faces: Array, fit: Fitting, paint: Paint) -> Part:
    """Some faces (F,) of the clothed skin as a part."""
    triangles = fit.body.asset.triangles[np.repeat(faces, 2)]
    used, local = np.unique(triangles, return_inverse=True)
    return Part(name, fit.clothed[used], local.reshape(-1, 3).astype(np.int32), fit.fields[used], paint, used)


def _close_mouth(fit: Fitting) -> None:
    """A lump behind the lips, in their colour: on a grid the slit between them would become a pit."""
    lips = fit.body.asset.lips > 0.5
    low, high = fit.clothed[lips].min(0), fit.clothed[lips].max(0)
    tone = np.asarray(SKINS[fit.look.skin]) * LIPS
    half = (high - low) / 2
    front = low[1] + 0.12 * fit.marks.eye_radius
    middle = (low + high) / 2
    solid = lump((middle[0], front + half[1], middle[2]), (0.9 * half[0], half[1], 0.72 * half[2]), 2.4)
    fit.add("mouth", solid, lambda fields: np.tile(tone, (len(fields), 1)), "Head")


def snap(fit: Fitting, garment: Garment) -> None:
    """Slides vertices of the skin onto the garment's edge, so that hems run along edges of triangles."""
    cover = garment.cover(fit.fields)
    a, b = edges_of(fit.body.asset).T
    crossed = (cover[a] > 0) != (cover[b] > 0)
    a, b = a[crossed], b[crossed]
    share = cover[a] / (cover[a] - cover[b])
    near_b = share > 0.5
    mover, other = np.where(near_b, b, a), np.where(near_b, a, b)
    share = np.where(near_b, 1 - share, share)
    # The azimuth jumps at the back; there a mean of two would lie in front.
    usable = np.abs(fit.fields[mover, INDEX["turn"]] - fit.fields[other, INDEX["turn"]]) < 1.0
    mover, other, share = mover[usable], other[usable], share[usable]
    order = np.lexsort((share, mover))
    first = order[np.r_[True, mover[order][1:] != mover[order][:-1]]] if len(order) else order
    mover, other, share = mover[first], other[first], share[first]
    fit.clothed[mover] += share[:, None] * (fit.clothed[other] - fit.clothed[mover])
    fit.fields[mover] += (share[:, None] * (fit.fields[other] - fit.fields[mover])).astype(np.float32)


@lru_cache(maxsize=2)
def edges_of(asset: BodyAsset) -> Array:
    """(E, 2) every edge of the body once."""
    ends = np.concatenate([asset.triangles[:, [0, 1]], asset.triangles[:, [1, 2]], asset.triangles[:, [2, 0]]])
    return np.unique(np.sort(ends, axis=1), axis=0)


def _put_on(fit: Fitting, garment: Garment) -> None:
    """Swells the skin by the garment and smooths it there."""
    snap(fit, garment)
    cover = garment.cover(fit.fields)
    amount = garment.thickness * step(cover, -1e-3, 0.06)
    grown = fit.clothed + fit.normals * amount[:, None]
    where = cover > 0
    out = smoothed(grown, fit.body.asset, where, garment.rounds)
    # Never nearer to the skin below than half the thickness.
    over = ((out - fit.clothed) * fit.normals).sum(1)
    lift = np.maximum(0.5 * amount - over, 0) * where
    fit.clothed = out + fit.normals * lift[:, None]
