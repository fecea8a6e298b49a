# SPDX-License-Identifier: GPL-3.0-or-later
"""From a look to a dressed figure: clothes are grown on the skin in their order, then hair, hats and loose things."""

from __future__ import annotations

import numpy as np

from backend.avatar.body import EYE, TONGUE, BodyAsset, body_asset
from backend.avatar.figure import Array, Figure, Fitting, Part, smoothed
from backend.avatar.hairdo import grow_hair
from backend.avatar.headgear import HEADGEAR
from backend.avatar.look import Look, Worn
from backend.avatar.loose import LOOSE
from backend.avatar.patterns import Paint, skin, step
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


def _put_on(fit: Fitting, garment: Garment) -> None:
    """Swells the skin by the garment and smooths it there."""
    cover = garment.cover(fit.fields)
    amount = garment.thickness * step(cover, -0.03, 0.08)
    grown = fit.clothed + fit.normals * amount[:, None]
    where = cover > 0
    out = smoothed(grown, fit.body.asset, where, garment.rounds)
    # Never nearer to the skin below than half the thickness.
    over = ((out - fit.clothed) * fit.normals).sum(1)
    lift = np.maximum(0.5 * amount - over, 0) * where
    fit.clothed = out + fit.normals * lift[:, None]
