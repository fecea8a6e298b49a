# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws recipes and objects: what training sees, and the combinations that are kept back from it for evaluation.

About one in nine combinations of kind, colour and pattern is held out by a fixed hash, so the rule needs no list and
never changes with the order of kinds. A training sample uses no held-out combination, in either thing of a relation.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np

from .captions import plain_caption
from .catalogue import build
from .model import ProceduralObject
from .palette import COLOURS, PATTERNS
from .recipe import Kind, Recipe
from .vocabulary import CORE, Vocabulary

Split = Literal["train", "held_out"]
HELD_OUT_ONE_IN = 9

# Shares of training samples: the rest, 0.75, are single things, plain or patterned.
SHARE_SECOND_COLOUR = 0.15
SHARE_RELATION = 0.10
# Of single things:
SHARE_PLAIN = 0.65
SHARE_PROPORTION = 0.15
SHARE_NATURAL_COLOUR = 0.25
# Patterns with a second colour take white this often, so that "a red dotted mug" need not name it.
SHARE_WHITE_SECOND = 0.6

_COLOUR_NAMES = tuple(COLOURS)


def is_held_out(recipe: Recipe) -> bool:
    """Whether the recipe, or the other thing of its relation, has a combination kept back from training."""
    digest = hashlib.sha256("|".join(recipe.combination).encode()).digest()
    own = int.from_bytes(digest[:4], "big") % HELD_OUT_ONE_IN == 0
    return own or (recipe.other is not None and is_held_out(recipe.other))


def _choose(rng: np.random.Generator, options: tuple) -> object:  # type: ignore[type-arg]
    return options[int(rng.integers(len(options)))]


def _colour(rng: np.random.Generator, kind: Kind, *avoid: str) -> str:
    if kind.colours and rng.random() < SHARE_NATURAL_COLOUR:
        natural = tuple(c for c in kind.colours if c not in avoid)
        if natural:
            return str(_choose(rng, natural))
    return str(_choose(rng, tuple(c for c in _COLOUR_NAMES if c not in avoid)))


def _second(rng: np.random.Generator, first: str) -> str:
    if first != "white" and rng.random() < SHARE_WHITE_SECOND:
        return "white"
    # Colours too close to the first would not show.
    close = {"beige": "white", "white": "beige", "black": "dark green", "dark green": "black"}
    return str(_choose(rng, tuple(c for c in _COLOUR_NAMES if c not in (first, close.get(first)))))


def _single(
    rng: np.random.Generator, kind: Kind, share_plain: float, proportions: bool, vocabulary: Vocabulary
) -> Recipe:
    proportion = ""
    if proportions and kind.proportions and rng.random() < SHARE_PROPORTION:
        proportion = str(_choose(rng, kind.proportions))
    allowed = vocabulary.patterns_of(kind)
    if not allowed or rng.random() < share_plain:
        return Recipe(kind.name, _colour(rng, kind), proportion=proportion)
    name = str(_choose(rng, allowed))
    pattern = PATTERNS[name]
    if pattern.own is not None:
        return Recipe(kind.name, "", name, proportion=proportion)
    # Moss on green and snow on white would not show.
    avoid = {"mossy": ("green", "dark green"), "snowy": ("white",), "rusty": ("brown", "orange")}.get(name, ())
    colour = _colour(rng, kind, *avoid)
    return Recipe(kind.name, colour, name, _second(rng, colour) if pattern.second else "", proportion)


def _with_second(rng: np.random.Generator, vocabulary: Vocabulary) -> Recipe:
    kind = _choose(rng, tuple(k for k in vocabulary.all if k.accent))
    assert isinstance(kind, Kind)
    colour = _colour(rng, kind)
    return Recipe(kind.name, colour, second=str(_choose(rng, tuple(c for c in _COLOUR_NAMES if c != colour))))


def _related(rng: np.random.Generator, vocabulary: Vocabulary) -> Recipe:
    wearers, hats, small, carriers = _roles(vocabulary)
    draw = rng.random()
    if draw < 0.4 and wearers and hats:
        first, second, relation = _choose(rng, wearers), _choose(rng, hats), "wearing"
    elif draw < 0.75 and small and carriers:
        first, second, relation = _choose(rng, small), _choose(rng, carriers), "on"
    else:
        # Anything may stand beside anything; small things do so by preference.
        beside = small or vocabulary.all
        first, second, relation = _choose(rng, beside), _choose(rng, beside), "next to"
    assert isinstance(first, Kind) and isinstance(second, Kind)
    a = _single(rng, first, 0.85, False, vocabulary)
    b = _single(rng, second, 0.85, False, vocabulary)
    return Recipe(a.kind, a.colour, a.pattern, a.second, "", relation, b)


def _roles(vocabulary: Vocabulary) -> tuple[tuple[Kind, ...], ...]:
    """Kinds that wear, hats, small kinds, and kinds that carry something on top."""
    kinds = vocabulary.all
    return (
        tuple(k for k in kinds if k.wears),
        tuple(k for k in kinds if k.hat),
        tuple(k for k in kinds if k.small),
        tuple(k for k in kinds if k.carries),
    )


def sample_recipe(rng: np.random.Generator, split: Split = "train", vocabulary: Vocabulary = CORE) -> Recipe:
    """A recipe of the split: 'train' has no held-out combination, 'held_out' has one. Deterministic in rng."""
    if split not in ("train", "held_out"):
        raise ValueError(f"split is 'train' or 'held_out', not {split!r}")
    share = rng.random()
    kind = _choose(rng, vocabulary.all)
    assert isinstance(kind, Kind)
    while True:
        if share < SHARE_RELATION:
            recipe = _related(rng, vocabulary)
        elif share < SHARE_RELATION + SHARE_SECOND_COLOUR:
            recipe = _with_second(rng, vocabulary)
        else:
            recipe = _single(rng, kind, SHARE_PLAIN, True, vocabulary)
        if is_held_out(recipe) == (split == "held_out"):
            return recipe


def sample(rng: np.random.Generator, split: Split = "train", vocabulary: Vocabulary = CORE) -> ProceduralObject:
    """An object of the split, built. The same generator state gives the same object."""
    return build(sample_recipe(rng, split, vocabulary), rng)


def held_out_prompts(n: int, seed: int, vocabulary: Vocabulary = CORE) -> list[tuple[str, ProceduralObject]]:
    """n held-out prompts with their true objects, for evaluation.

    Kinds are gone through family by family in rounds, so that they are spread; no kind and colour come twice. About
    seven in ten are plain, the others patterned, with a second colour, or in relation to another thing. Raises
    ValueError when there are not that many (several hundred).
    """
    rng = np.random.default_rng(seed)
    order: list[str] = []
    by_family = [list(rng.permutation([k.name for k in family])) for family in vocabulary.families.values()]
    while any(by_family):
        order += [str(names.pop()) for names in by_family if names]
    taken: set[tuple[str, str]] = set()
    result: list[tuple[str, ProceduralObject]] = []
    kinds = {kind.name: kind for kind in vocabulary.all}
    for position in range(40 * len(order)):
        if len(result) == n:
            return result
        recipe = _held_out_of(rng, kinds[order[position % len(order)]], taken, vocabulary)
        if recipe is not None:
            taken.add((recipe.kind, recipe.colour))
            result.append((plain_caption(recipe), build(recipe, rng)))
    if len(result) == n:
        return result
    raise ValueError(f"there are only {len(result)} held-out prompts of distinct kind and colour, not {n}")


def _held_out_of(
    rng: np.random.Generator, kind: Kind, taken: set[tuple[str, str]], vocabulary: Vocabulary
) -> Recipe | None:
    """A held-out recipe of the kind with a colour not taken, None when a fair number of draws finds none."""
    _, hats, _, carriers = _roles(vocabulary)
    draw = rng.random()
    for _ in range(200):
        if draw < 0.1 and ((kind.wears and hats) or (kind.small and carriers)):
            worn = bool(kind.wears and hats)
            other_kind = _choose(rng, hats if worn else carriers)
            assert isinstance(other_kind, Kind)
            a, b = (_single(rng, one, 1.0, False, vocabulary) for one in (kind, other_kind))
            relation = "wearing" if worn else "on"
            recipe = Recipe(a.kind, a.colour, a.pattern, a.second, "", relation, b)
        else:
            recipe = _single(rng, kind, 0.0 if draw < 0.3 else 1.0, False, vocabulary)
        if is_held_out(recipe) and (recipe.kind, recipe.colour) not in taken:
            return recipe
    return None
