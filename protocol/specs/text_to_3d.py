# SPDX-License-Identifier: GPL-3.0-or-later
"""Text to 3D: a sentence becomes a textured mesh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .. import checks
from .base import GUIDES, SEEN, GeneratingSpec, Input


@dataclass(frozen=True)
class TextTo3DSpec(GeneratingSpec):
    """A sentence becomes a textured mesh.

    prompt: 1 to 2,000 characters, not only spaces. negative_prompt: what to avoid, at most 2,000 characters.
    preset: name of a preset (`draft`, `standard`, `paper`). prior: empty for the embedded prior, otherwise a folder
    or an id. seed: 0 to 2^63 - 1, or None to let the worker draw one (the report names it). size_metres: largest
    dimension of the object, 0.001 to 1,000. texture_size: 0 for the preset's own, otherwise 64 to 8,192 pixels.
    effort: 0.005 to 10, multiplies the steps of the preset: below 1 is quicker and rougher, above 1 slower and finer.
    name: name of the object in the scene, at most 63 characters, empty for one made from the prompt. gpus: 1 to 16,
    devices of one machine that share the work; the result is the same but for rounding.

    Inputs, all optional: `base.GUIDES`, learned words and a picture of a style; and `picture` (|u1 PNG or JPEG), the
    thing seen from its front, for a prior that goes on from one.

    Raises BadRequest (or TooLarge) naming the field.
    """

    kind: ClassVar[str] = "text_to_3d"
    INPUTS: ClassVar[tuple[Input, ...]] = (SEEN, *GUIDES)

    prompt: str
    negative_prompt: str = ""
    preset: str = "draft"
    prior: str = ""
    seed: int | None = None
    size_metres: float = 1.0
    texture_size: int = 0
    effort: float = 1.0
    name: str = ""
    gpus: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "size_metres", checks.number(0.001, 1000.0)(self.size_metres, "size_metres"))
        checks.integer(1, 16)(self.gpus, "gpus")

    @property
    def title(self) -> str:
        """The object's name, or the prompt."""
        return " ".join((self.name or self.prompt).split())
