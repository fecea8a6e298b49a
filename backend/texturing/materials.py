# SPDX-License-Identifier: GPL-3.0-or-later
"""What a surface is like besides its colour: roughness and metallic, by the material that the prompt names.

A heuristic, and reports call it one: a constant for the whole surface, taken from the first material word. A prior that
reads surfaces off pictures (`backend.priors.surfaces`) does better, where one is given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Material:
    """roughness and metallic, 0..1; word: what of the prompt said so, "" for the plain default."""

    roughness: float
    metallic: float
    word: str = ""

    def to_map(self) -> dict[str, Any]:
        """For a report; the add-on reads roughness and metallic."""
        source = f"the word {self.word!r}, for the whole surface" if self.word else "the default"
        return {"roughness": self.roughness, "metallic": self.metallic, "source": source}


DEFAULT = Material(0.6, 0.0)
# Roughness and metallic by words, [ours]: by eye in Blender. The first row that a prompt names counts,
# so that "rusty steel" is rust and "brushed steel" not a mirror.
TABLE: tuple[tuple[float, float, tuple[str, ...]], ...] = (
    (0.90, 0.00, ("mossy", "moss", "overgrown", "furry", "fluffy", "woolly", "velvet")),
    (0.85, 0.25, ("rusty", "rusted", "rust", "corroded")),
    (0.40, 1.00, ("brushed", "hammered", "cast iron", "iron", "bronze", "pewter")),
    (0.25, 1.00, ("golden", "gold", "gilded", "brass", "copper")),
    (0.18, 1.00, ("silver", "chrome", "metal", "metallic", "steel", "aluminium", "aluminum")),
    (0.15, 0.00, ("glazed", "glaze", "ceramic", "porcelain", "lacquered", "glossy", "shiny", "polished", "wet", "ice")),
    (0.05, 0.00, ("glass", "crystal glass")),
    (0.25, 0.00, ("marble", "jade", "amber")),
    (0.35, 0.00, ("plastic", "enamel", "enamelled")),
    (0.50, 0.00, ("leather", "rubber", "skin")),
    (0.65, 0.00, ("wooden", "wood", "timber", "oak", "bamboo", "wicker")),
    (0.90, 0.00, ("stone", "rocky", "rock", "brick", "bricks", "concrete", "clay", "terracotta", "sandstone", "snowy")),
    (0.95, 0.00, ("cloth", "fabric", "knitted", "wool", "cotton", "denim", "felt", "paper", "cardboard", "chalk")),
)


def material_of(prompt: str) -> Material:
    """The material that a prompt names in its words; `DEFAULT` where it names none."""
    said = " ".join(re.findall(r"[a-z]+", prompt.lower()))
    for roughness, metallic, words in TABLE:
        for word in words:
            if re.search(rf"\b{word}\b", said):
                return Material(roughness, metallic, word)
    return DEFAULT
