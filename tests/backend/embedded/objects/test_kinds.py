# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind, every pattern: they are there, fill their sphere and show what their recipe says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.embedded.objects import CORE, FULL, KINDS, RADIUS, Recipe, build, interior, render
from backend.embedded.objects.palette import COLOURS, PATTERNS, PROPORTIONS

torch.set_num_threads(1)
SIDES = np.radians([0, 90, 180, 270])
HEIGHTS = np.radians([3, 30, 3, 30])


def directions(n: int = 4000) -> np.ndarray:
    d = np.random.default_rng(0).normal(size=(n, 3))
    return d / np.linalg.norm(d, axis=1, keepdims=True)


def recipe(kind: str, pattern: str = "plain", colour: str = "blue", second: str = "red") -> Recipe:
    p = PATTERNS[pattern]
    return Recipe(kind, "" if p.own else colour, pattern, second if p.second else "")


def test_the_catalogue_is_as_wide_as_promised() -> None:
    assert len(KINDS) >= 44 and len(COLOURS) >= 12 and len(PATTERNS) - 1 >= 9
    assert len(CORE.kinds) >= 40 and len(CORE.patterns) >= 8
    words = [w for k in KINDS.values() for w in (k.name, *k.synonyms)]
    assert len(words) == len(set(words)), "a word stands for one kind only"


@pytest.mark.parametrize("kind", KINDS)
def test_kind_is_seen_from_all_sides_and_fills_its_sphere(kind: str) -> None:
    thing = build(recipe(kind), np.random.default_rng(1))
    albedo, _ = render([thing] * 4, SIDES, 0.25, 1.0, 24)
    covered = (albedo[..., 3] > 127).float().mean(dim=(1, 2))
    assert (covered > 0.015).all() and (covered < 0.75).all()
    for proportion in KINDS[kind].proportions:
        stretched = build(Recipe(kind, "blue", proportion=proportion), np.random.default_rng(2))
        assert not interior(stretched, directions() * (RADIUS * 1.03)).any()
    assert not interior(thing, directions() * (RADIUS * 1.03)).any()
    assert interior(thing, directions() * (RADIUS * 0.93)).any()
    # Nothing touches the frame: the default view shows the whole sphere.
    edge = torch.cat([albedo[:, 0], albedo[:, -1], albedo[:, :, 0], albedo[:, :, -1]], dim=1)
    assert not edge.any()


@pytest.mark.parametrize("kind", KINDS)
def test_colour_is_seen(kind: str) -> None:
    """The named colour changes a fair share of the picture."""
    pictures = []
    for colour in ("red", "blue"):
        thing = build(Recipe(kind, colour), np.random.default_rng(1))
        pictures.append(render([thing] * 4, SIDES, 0.3, 1.0, 24)[0].float())
    covered = pictures[0][..., 3] > 127
    changed = (pictures[0] - pictures[1]).abs()[..., :3].amax(-1) > 60
    assert (changed & covered).sum() > 0.12 * covered.sum()


@pytest.mark.parametrize("pattern", [name for name in PATTERNS if name != "plain"])
def test_pattern_is_seen(pattern: str) -> None:
    for kind in ("mug", "chair", "cat", "house", "mushroom"):
        own = PATTERNS[pattern].own
        base_colour = "blue" if own is None else "white" if pattern not in ("marble", "silver") else "blue"
        pictures = [
            render([build(r, np.random.default_rng(1))] * 4, SIDES, 0.3, 1.0, 24)[0].float()
            for r in (recipe(kind, pattern), Recipe(kind, base_colour))
        ]
        covered = pictures[0][..., 3] > 127
        changed = (pictures[0] - pictures[1]).abs()[..., :3].amax(-1) > 40
        assert (changed & covered).sum() > 0.1 * covered.sum(), kind


def test_second_colour_is_seen_on_every_accent() -> None:
    unseen = []
    for kind in (k for k in KINDS.values() if k.accent):
        pictures = [
            render(
                [build(Recipe(kind.name, "white", second=s), np.random.default_rng(1))] * 4, SIDES, HEIGHTS, 1.0, 32
            )[0]
            for s in ("red", "blue")
        ]
        changed = (pictures[0].float() - pictures[1].float()).abs()[..., :3].amax(-1) > 60
        if changed.sum() < 8:
            unseen.append(kind.name)
    assert not unseen


def test_proportions_stretch() -> None:
    for proportion, (scale, _) in PROPORTIONS.items():
        taller = scale[2] > scale[0]
        extents = []
        for word in ("", proportion):
            thing = build(Recipe("mug", "red", proportion=word), np.random.default_rng(1))
            albedo, _ = render([thing], 0.0, 0.0, 1.0, 64)
            rows, columns = np.nonzero(albedo[0, ..., 3].numpy() > 127)
            extents.append(np.ptp(rows) / np.ptp(columns))
        assert extents[1] > 1.2 * extents[0] if taller else extents[1] < 0.8 * extents[0]


def test_relations_place_the_two_things() -> None:
    rng = np.random.default_rng(0)
    red = lambda a: np.argwhere((a[..., 0] > 150) & (a[..., 1] < 70) & (a[..., 3] > 127))  # noqa: E731
    blue = lambda a: np.argwhere((a[..., 2] > 150) & (a[..., 0] < 90) & (a[..., 3] > 127))  # noqa: E731
    on = build(Recipe("apple", "red", relation="on", other=Recipe("table", "blue")), rng)
    a = render([on], 0.0, 0.0, 1.0, 48)[0][0].numpy()
    assert red(a)[:, 0].mean() < blue(a)[:, 0].mean() - 3
    beside = build(Recipe("apple", "red", relation="next to", other=Recipe("ball", "blue")), rng)
    a = render([beside], 0.0, 0.0, 1.0, 48)[0][0].numpy()
    assert red(a)[:, 1].max() <= blue(a)[:, 1].min() + 1
    wearing = build(Recipe("duck", "red", relation="wearing", other=Recipe("top hat", "blue")), rng)
    a = render([wearing], 0.0, 0.0, 1.0, 48)[0][0].numpy()
    assert blue(a)[:, 0].mean() < red(a)[:, 0].mean() - 5


def test_every_carrier_and_wearer_can() -> None:
    rng = np.random.default_rng(0)
    kinds = FULL.all
    for below in (k for k in kinds if k.carries):
        build(Recipe("mug", "red", relation="on", other=Recipe(below.name, "blue")), rng)
    for wearer in (k for k in kinds if k.wears):
        for hat in (k for k in kinds if k.hat):
            thing = build(Recipe(wearer.name, "red", relation="wearing", other=Recipe(hat.name, "blue")), rng)
            assert not interior(thing, directions(500) * (RADIUS * 1.03)).any()


def test_what_cannot_be_built_says_why() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="no kind 'unicorn'"):
        build(Recipe("unicorn", "red"), rng)
    with pytest.raises(ValueError, match="no colour"):
        Recipe("mug", "octarine")
    with pytest.raises(ValueError, match="takes no colour"):
        Recipe("mug", "red", "golden")
    with pytest.raises(ValueError, match="takes a colour"):
        Recipe("mug", "", "striped")
    with pytest.raises(ValueError, match="cannot wear"):
        build(Recipe("mug", "red", relation="wearing", other=Recipe("hat", "blue")), rng)
    with pytest.raises(ValueError, match="no top"):
        build(Recipe("mug", "red", relation="on", other=Recipe("cat", "blue")), rng)
