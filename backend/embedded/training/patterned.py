# SPDX-License-Identifier: GPL-3.0-or-later
"""What control networks are trained on: procedural objects rich in patterns, half of them shapes of no kind.

Each is rendered with the places of its surface beside albedo and normals. Held-out combinations of kind, colour and
pattern stay held out; shapes of no kind count as the kind "object".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .. import objects
from ..objects.palette import COLOURS, PATTERNS
from ..objects.shapes import NAMELESS

SHARE_SHAPES = 0.6
SHARE_PLAIN = 0.2
WEIGHTS = {"striped": 2.0, "dotted": 2.5, "checkered": 2.5, "marble": 1.5, "golden": 1.5, "silver": 1.5, "brick": 1.5,
           "stone": 1.5, "rainbow": 0.3, "snowy": 0.5}  # of patterns; others 1
# Colours beside these own or second colours of a pattern would not show.
HIDDEN = {"mossy": ("green", "dark green"), "snowy": ("white",), "rusty": ("brown", "orange"),
          "glazed": ("beige", "brown")}  # fmt: skip
CLOSE = ({"beige", "white"}, {"black", "dark green"}, {"orange", "yellow"}, {"blue", "purple"}, {"grey", "beige"},
         {"turquoise", "light blue"}, {"green", "turquoise"}, {"red", "brown"}, {"pink", "purple"}, {"grey", "white"},
         {"light blue", "white"}, {"black", "brown"}, {"green", "dark green"}, {"blue", "light blue"},
         {"black", "blue"}, {"red", "orange"}, {"brown", "dark green"}, {"grey", "light blue"})  # fmt: skip
SHARE_WHITE = 0.45


class Patterned:
    """A source of shards; see `dataset.ObjectSource`."""

    def sample(self, rng: np.random.Generator, split: str) -> objects.ProceduralObject:
        held_out = split == "held_out"
        while True:
            recipe = self._recipe(rng)
            if objects.is_held_out(recipe) == held_out:
                return objects.build(recipe, rng)

    def _recipe(self, rng: np.random.Generator) -> objects.Recipe:
        kinds = objects.CORE.all
        kind = NAMELESS if rng.random() < SHARE_SHAPES else kinds[int(rng.integers(len(kinds)))]
        colour = str(rng.choice(list(COLOURS)))
        if rng.random() < SHARE_PLAIN:
            return objects.Recipe(kind.name, colour)
        names = [name for name in PATTERNS if name != "plain" and (kind.patterns is None or name in kind.patterns)]
        if not names:
            return objects.Recipe(kind.name, colour)
        weight = np.array([WEIGHTS.get(name, 1.0) for name in names])
        name = str(rng.choice(names, p=weight / weight.sum()))
        pattern = PATTERNS[name]
        if pattern.own is not None:
            return objects.Recipe(kind.name, "", name)
        colour = str(rng.choice([c for c in COLOURS if c not in HIDDEN.get(name, ())]))
        second = ""
        if pattern.second:
            others = [c for c in COLOURS if c != colour and {c, colour} not in CLOSE]
            second = "white" if "white" in others and rng.random() < SHARE_WHITE else str(rng.choice(others))
        return objects.Recipe(kind.name, colour, name, second)

    def captions(self, thing: objects.ProceduralObject, rng: np.random.Generator, count: int) -> list[str]:
        return thing.captions(rng, count)

    def label(self, thing: objects.ProceduralObject) -> str:
        return thing.kind

    def render(
        self, things: list[Any], azimuth: npt.NDArray[np.float32], elevation: npt.NDArray[np.float32],
        zoom: npt.NDArray[np.float32], size: int, samples: int, device: str,
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int8], npt.NDArray[np.float16]]:  # fmt: skip
        """Albedo, normals and positions, in launches of at most 64 million samples."""
        step = max(1, (1 << 26) // (size * size * samples * samples))
        parts = [
            objects.render_with_positions(
                things[i : i + step], azimuth[i : i + step], elevation[i : i + step], zoom[i : i + step],
                size=size, samples=samples, device=device,
            )
            for i in range(0, len(things), step)
        ]  # fmt: skip
        albedo, normals, positions = (np.concatenate([p.cpu().numpy() for p in column])
                                      for column in zip(*parts, strict=True))  # fmt: skip
        return albedo, normals, positions
