# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe says in words what an object is; a kind says how to build it. Building is in `catalogue`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .palette import COLOURS, PATTERNS, PROPORTIONS

if TYPE_CHECKING:
    from .construct import Builder

RELATIONS = ("on", "next to", "wearing")


@dataclass(frozen=True)
class Recipe:
    """What an object is, in plain names.

    kind: a name of the catalogue. colour: a name of COLOURS, '' when the pattern is a material with colours of its
    own. pattern: a name of PATTERNS. second: the second colour of the pattern, or of the kind's accent (the wheels of
    a car) when the pattern has none, '' for the natural one. proportion: a name of PROPORTIONS or ''. relation: one
    of RELATIONS or '', with the other thing.
    """

    kind: str
    colour: str = ""
    pattern: str = "plain"
    second: str = ""
    proportion: str = ""
    relation: str = ""
    other: Recipe | None = None

    def __post_init__(self) -> None:
        if self.pattern not in PATTERNS:
            raise ValueError(f"no pattern {self.pattern!r}; there are {', '.join(PATTERNS)}")
        material = PATTERNS[self.pattern].own is not None
        if material == bool(self.colour):
            raise ValueError(f"a {self.pattern} {self.kind} takes {'no' if material else 'a'} colour")
        for colour in (self.colour, self.second):
            if colour and colour not in COLOURS:
                raise ValueError(f"no colour {colour!r}; there are {', '.join(COLOURS)}")
        if self.proportion and self.proportion not in PROPORTIONS:
            raise ValueError(f"no proportion {self.proportion!r}; there are {', '.join(PROPORTIONS)}")
        if bool(self.relation) != (self.other is not None) or (self.relation and self.relation not in RELATIONS):
            raise ValueError(f"a relation is one of {', '.join(RELATIONS)} and names another thing")

    @property
    def combination(self) -> tuple[str, str, str]:
        """What the rule of held-out combinations looks at."""
        return self.kind, self.colour, self.pattern


@dataclass(frozen=True)
class Kind:
    """How one kind of thing is built and spoken of.

    name: its plain name, also a caption's word. build: adds its primitives to a Builder, front towards -Y, Z up, in
    any size. synonyms: other words for it. accent: what a second colour colours ("wheels"), '' when it has none;
    accent_paint: its natural colour otherwise.
    colours: the colours most natural to it, drawn more often. patterns: those that suit it besides plain, None for
    all. carries: it has a top that things stand on. wears: it has a head for hats. proportions: whether it may be
    stretched. small: it is a thing that others carry. hat: it is something to wear; its
    builder's `wear_on` tells its opening.
    """

    name: str
    build: Callable[[Builder], None]
    synonyms: tuple[str, ...] = ()
    accent: str = ""
    accent_paint: str = "white"
    colours: tuple[str, ...] = ()
    patterns: tuple[str, ...] | None = None
    carries: bool = False
    wears: bool = False
    small: bool = False
    hat: bool = False
    proportions: tuple[str, ...] = ("tall", "squat")
