# SPDX-License-Identifier: GPL-3.0-or-later
"""Animals made of capsules get the bones that they were made of; those of the data folder get sensible ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.geometry.files import read_mesh
from backend.rigging import animals, chains, creatures
from backend.rigging.intake import take_in
from protocol.errors import BadRequest

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "rigging"


def made(shape, quarters: int, markers=None, creature: str = ""):
    """(template, intake) as the rig job makes them."""
    given = take_in(*shape).turned(quarters)
    medial, tips = creatures.tips_of(given)
    kind, sure = creatures.classify(given, tips)
    assert creature in ("", kind) and sure
    turn = creatures.facing(given, medial, tips, kind)
    if turn:
        given = given.turned(turn)
        medial, tips = creatures.tips_of(given)
    maker = {"quadruped": animals.quadruped, "spider": chains.spider, "snake": chains.snake}[kind]
    return maker(given, medial, tips, markers or {}), given


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_quadruped_looking_anywhere(shapes, quarters):
    found, given = made(shapes["quadruped"], quarters, creature="quadruped")
    skeleton = found.skeleton
    frame = take_in(*shapes["quadruped"]).frame
    size = 2.35  # from the nose to the tip of the tail

    def off(name: str, place) -> float:
        return float(np.linalg.norm(skeleton.heads[skeleton.index(name)] - frame.inward(np.array([place]))[0])
                     / frame.scale / size)

    assert off("LeftFrontToe", (0.15, -0.45, 0.02)) < 0.04 and off("RightHindToe", (-0.15, 0.45, 0.02)) < 0.04
    assert off("Hips", (0, 0.45, 0.9)) < 0.08 and off("Head", (0, -0.9, 1.3)) < 0.08
    tips = skeleton.tails[[skeleton.index("Head"), skeleton.index("Tail3")]]
    assert tips[0, 1] < -0.4 and tips[1, 1] > 0.4 and found.confidence > 0.6
    left = [name for name in skeleton.names if name.startswith("Left")]
    assert (skeleton.heads[[skeleton.index(name) for name in left], 0] > 0).all() and len(left) == 9


def test_a_spider_has_eight_legs_bent_at_the_knee(shapes):
    found, given = made(shapes["spider"], 0, creature="spider")
    names = found.skeleton.names
    assert sum(name.endswith("A") for name in names) == 8 and found.skeleton.tails[names.index("Abdomen"), 1] > 0
    tops = [found.skeleton.tails[names.index(f"{side}Leg{n}A"), 2] for side in ("Left", "Right") for n in range(1, 5)]
    assert min(tops) > 0.6 * given.points[:, 2].max()


@pytest.mark.parametrize("quarters", [0, 2])
def test_a_snake_is_one_chain_of_even_bones(shapes, quarters):
    found, given = made(shapes["snake"], quarters, creature="snake")
    head = found.skeleton.tails[found.skeleton.index("Head")]
    assert abs(head[1] - (given.points[:, 1].min() if quarters == 0 else given.points[:, 1].max())) < 0.05
    lengths = found.skeleton.lengths[1:]
    assert lengths.max() < 1.15 * lengths.min()


def test_markers_move_what_they_name(shapes):
    given = take_in(*shapes["quadruped"])
    paws = {"left_front_foot": [0.15, -0.45, 0.0], "right_front_foot": [-0.15, -0.45, 0.0],
            "left_hind_foot": [0.15, 0.45, 0.0], "right_hind_foot": [-0.15, 0.45, 0.0],
            "nose": [0, -1.2, 1.2], "tail_tip": [0, 0.9, 0.93]}
    marks = dict(zip(paws, given.frame.inward(np.array(list(paws.values()))), strict=True))
    medial, tips = creatures.tips_of(given)
    found = animals.quadruped(given, medial, [], marks)
    assert np.allclose(found.skeleton.tails[found.skeleton.index("Tail3")], marks["tail_tip"], atol=1e-6)
    assert np.allclose(found.skeleton.tails[found.skeleton.index("Head")], marks["nose"], atol=1e-6)
    assert found.confidence >= 0.9
    with pytest.raises(BadRequest, match="0 feet"):
        animals.quadruped(given, medial, [], {})


def test_birds_fish_and_props(limb, joined):
    bird = joined([limb((0, -0.2, 0.5), (0, 0.3, 0.5), 0.12), limb((0, -0.3, 0.6), (0, -0.5, 0.75), 0.06),
                   *(limb((s * 0.1, 0, 0.55), (s * 0.9, 0.1, 0.6), 0.03) for s in (-1, 1)),
                   *(limb((s * 0.07, 0.05, 0.45), (s * 0.08, 0.0, 0.03), 0.025) for s in (-1, 1)),
                   limb((0, 0.4, 0.5), (0, 0.75, 0.45), 0.05)])
    given = take_in(*bird)
    medial, tips = creatures.tips_of(given)
    assert creatures.classify(given, tips)[0] == "bird"
    found = animals.bird(given, medial, tips, {})
    wing = found.skeleton.tails[found.skeleton.index("LeftHandWing")]
    assert wing[0] > 0.45 * np.ptp(given.points[:, 0]) and "RightToe" in found.skeleton.names and not found.notes
    fish = joined([limb((0, -0.5, 0.3), (0, 0.5, 0.3), 0.15), limb((0, 0.5, 0.3), (0, 0.8, 0.55), 0.04),
                   limb((0, 0, 0.4), (0, 0.1, 0.75), 0.03)])
    given = take_in(*fish)
    found = chains.fish(given, *creatures.tips_of(given), {})
    assert np.diff(found.skeleton.heads[[found.skeleton.index(n) for n in ("Spine", "Tail", "Tail2")], 1]).min() > 0
    assert any("Fin" in name for name in found.skeleton.names)
    lump = take_in(*limb((0, 0, 0), (0, 0, 0.2), 0.4))
    assert chains.prop(lump, *creatures.tips_of(lump), {}).skeleton.names == ("Root",)
    tree = take_in(*joined([limb((0, 0, 0), end, 0.05) for end in ((0, 0, 1), (0.8, 0, 0.6), (0, -0.7, 0.7))]))
    grown = chains.prop(tree, *creatures.tips_of(tree), {}).skeleton
    assert len(grown) >= 6 and np.abs(grown.tails).max() > 0.7


@pytest.mark.parametrize(("name", "kind"), [("fox", "quadruped"), ("horse", "quadruped"), ("snake", "snake"),
                                            ("spider", "spider"), ("human", "humanoid")])
def test_models_of_the_data_folder_are_recognised(name, kind):
    path = DATA / f"model-{name}.glb"
    if not path.is_file():
        pytest.skip("the CC0 data folder (../shared/data) is not beside the repository")
    mesh, _ = read_mesh(path)
    given = take_in(mesh.vertices, mesh.faces)
    medial, tips = creatures.tips_of(given)
    assert creatures.classify(given, tips) == (kind, True)
    assert creatures.facing(given, medial, tips, kind) == 0
