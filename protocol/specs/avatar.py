# SPDX-License-Identifier: GPL-3.0-or-later
"""Avatar: a sentence becomes a person with a look, a skeleton and, where asked for, a motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .. import checks
from ..errors import BadRequest
from .base import GUIDES, MAX_PROMPT, GeneratingSpec, Input

LOWEST_METRES, TALLEST_METRES = 0.5, 2.6  # of a person: a newborn, and taller than anybody was
LONGEST_SECONDS = 60.0


@dataclass(frozen=True)
class AvatarSpec(GeneratingSpec):
    """A sentence becomes an animated person.

    prompt: who it is and what they wear, 1 to 2,000 characters, not only spaces. negative_prompt: what to avoid, at
    most 2,000 characters. height_metres: standing height, 0.5 to 2.6, or 0 to take it from the words. motion: what the
    person does ("walks slowly"), at most 2,000 characters, empty for none. seconds: length of that motion, 0.5 to 60.
    fps: its frames a second, 1 to 120. preset, prior, seed, texture_size, effort, name: as of a text to 3D job.

    The result is that of a text to 3D job (vertices, faces, uvs, normals, edges, corner_edges, base_colour,
    thumbnail), the arrays of a skeleton and its weights as of a rig job, and where a motion was asked for its arrays
    as of an animate job. The figure stands on z = 0 in an A-pose and looks towards -Y.

    Raises BadRequest (or TooLarge) naming the field.
    """

    kind: ClassVar[str] = "avatar"
    WHAT_TO_SAY: ClassVar[str] = "Say in a few words who to make."
    INPUTS: ClassVar[tuple[Input, ...]] = GUIDES

    prompt: str
    negative_prompt: str = ""
    preset: str = "draft"
    prior: str = ""
    seed: int | None = None
    height_metres: float = 0.0
    motion: str = ""
    seconds: float = 4.0
    fps: float = 24.0
    texture_size: int = 0
    effort: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "height_metres", checks.number(0.0, TALLEST_METRES)(self.height_metres,
                                                                                     "height_metres"))
        if 0.0 < self.height_metres < LOWEST_METRES:
            raise BadRequest(
                f"height_metres is {self.height_metres:g}, expected {LOWEST_METRES} to {TALLEST_METRES}, or 0 to take "
                "it from the prompt.", path="height_metres",
                hint="Make a figurine at a person's height and scale the object afterwards.",
            )
        checks.text(MAX_PROMPT, printable=True)(self.motion, "motion")
        object.__setattr__(self, "seconds", checks.number(0.5, LONGEST_SECONDS)(self.seconds, "seconds"))
        object.__setattr__(self, "fps", checks.number(1.0, 120.0)(self.fps, "fps"))

    @property
    def title(self) -> str:
        """The figure's name, or the prompt."""
        return " ".join((self.name or self.prompt).split())
