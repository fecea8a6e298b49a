# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that can be worn fits every body: closed outward parts around the skin, in the colours asked for."""

from __future__ import annotations

import numpy as np
import pytest

from backend.avatar.dress import KINDS, dress
from backend.avatar.figure import Fitting
from backend.avatar.headgear import HEADGEAR
from backend.avatar.landmarks import INDEX
from backend.avatar.look import CLOTH, HAIR_STYLES, Look, Worn
from backend.avatar.loose import LOOSE
from backend.avatar.outfits import OUTFITS
from backend.avatar.solids import lathe, lump, tube
from backend.avatar.wardrobe import GARMENTS
from backend.geometry.mesh import edge_faces, signed_volume

BODIES = ({"gender": 0.0, "weight": 0.95, "belly": 0.8}, {"gender": 1.0, "age": 0.4}, {"gender": 1.0, "weight": 0.1})


def closed(part):
    """Every edge has two faces."""
    _, _, owners = edge_faces(part.triangles, len(part.vertices))
    directed = np.sort(part.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, uses = np.unique(directed, axis=0, return_counts=True)
    return (uses == 2).all() and len(owners) > 0


@pytest.mark.parametrize("kind", [*LOOSE, *HEADGEAR])
def test_worn_solids_are_closed_and_outward(kind):
    figure = dress(Look(BODIES[0], hair="bald", worn=(Worn(kind, "red"),)))
    extra = figure.parts[4:]  # skin, two eyes, mouth
    assert len(extra) >= 1
    for part in extra:
        assert closed(part), part.name
        assert signed_volume(part.vertices, part.triangles) > 0, part.name
        assert np.isfinite(part.vertices).all() and len(part.source) == len(part.vertices)


@pytest.mark.parametrize(("number", "kind"), list(enumerate(GARMENTS)))
def test_garments_cover_something_and_stay_outside_of_the_skin(number, kind):
    look = Look(BODIES[number % len(BODIES)], hair="bald", worn=(Worn(kind, "green"),))
    figure = dress(look)
    fit = Fitting(figure.body, look)
    covered = GARMENTS[kind].cover(fit.fields) > 0
    assert 0.002 < covered.mean() < 0.98
    skin = figure.parts[0]
    moved = skin.vertices - figure.body.vertices[skin.source]
    assert np.abs(moved[~covered[skin.source]]).max() < 0.06
    out = (moved * fit.normals[skin.source]).sum(1)[covered[skin.source]]
    assert out.mean() > 0.2 * GARMENTS[kind].thickness


def test_colours_are_where_the_words_say():
    figure = dress(Look(BODIES[2], worn=(Worn("trousers", "blue"), Worn("t-shirt", "yellow"))))
    skin = figure.parts[0]
    colour = skin.paint(skin.fields)
    level, arm = (skin.fields[:, INDEX[name]] for name in ("level", "arm"))
    chest = (level > 4.3) & (level < 4.7) & (arm < 0) & (skin.fields[:, INDEX["neck"]] < -0.5)
    shins = (level > 1.3) & (level < 1.8) & (arm < 0)
    hands = arm > 2.1
    for where, name in ((chest, "yellow"), (shins, "blue")):
        assert np.abs(np.median(colour[where], axis=0) - CLOTH[name]).max() < 0.12
    assert colour[hands, 0].mean() > colour[hands, 2].mean() + 0.1  # skin, not cloth


@pytest.mark.parametrize("hair", HAIR_STYLES)
def test_hair_leaves_the_face_free(hair):
    figure = dress(Look({"gender": 1.0}, hair=hair, hair_colour="pink"))
    skin = figure.parts[0]
    fields = skin.fields.astype(np.float64)
    nose = (np.abs(fields[:, INDEX["face_x"]]) < 0.25) & (np.abs(fields[:, INDEX["face_z"]] + 0.4) < 0.3)
    nose &= fields[:, INDEX["face_y"]] < 0.2
    front = skin.vertices[nose].mean(0)
    for part in figure.parts[4:]:
        near = np.linalg.norm(part.vertices - front, axis=1)
        assert near.min() > 0.025, (hair, part.name)


def test_every_calling_can_be_dressed():
    for outfit in OUTFITS[::4]:
        assert dress(Look(dict(outfit.sliders), worn=outfit.worn)).parts
    assert {one.kind for outfit in OUTFITS for one in outfit.worn} <= set(KINDS)


def test_parts_follow_the_skeleton():
    figure = dress(Look({}, worn=(Worn("hat", "red"), Worn("skirt", "blue"))))
    turns = np.tile(np.eye(3), (52, 1, 1))
    transforms = figure.body.transforms(turns, np.array([0.1, 0.2, 0.3]))
    for part in figure.parts:
        assert np.allclose(part.posed(figure.body, transforms) - part.vertices, [0.1, 0.2, 0.3], atol=1e-5)


def test_what_nobody_can_wear_is_named():
    with pytest.raises(ValueError, match="teapot"):
        dress(Look(worn=(Worn("teapot", "red"),)))
    with pytest.raises(ValueError, match="octarine"):
        Worn("hat", "octarine")
    with pytest.raises(ValueError, match="hair"):
        Look(hair="curtain")


def test_solids_have_the_volume_of_what_they_are():
    vertices, faces = lump((1, 2, 3), (0.5, 0.4, 0.3), around=64)
    assert signed_volume(vertices, faces) == pytest.approx(4 / 3 * np.pi * 0.06, rel=0.02)
    vertices, faces = lathe([(0, 0), (1, 0), (1, 2), (0, 2)], (0, 0, 0), (0.5, 0.25), around=128)
    assert signed_volume(vertices, faces) == pytest.approx(np.pi * 0.125 * 2, rel=0.02)
    vertices, faces = tube([(0, 0, 0), (0, 0, 1), (0, 0, 2)], [0.2, 0.2, 0.2], around=64)
    assert np.pi * 0.04 * 2 < signed_volume(vertices, faces) < np.pi * 0.04 * 2.4
