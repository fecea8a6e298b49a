# SPDX-License-Identifier: GPL-3.0-or-later
"""Edit: a mesh that is there already becomes what a changed prompt says, from its colours alone to its whole shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .. import checks
from .base import GUIDES, SEEN, GeneratingSpec, Input
from .texture import MAX_PICTURE_BYTES


@dataclass(frozen=True)
class EditSpec(GeneratingSpec):
    """A mesh becomes what the prompt says.

    prompt: what it shall be now, 1 to 2,000 characters, not only spaces. negative_prompt: what to avoid, at most 2,000
    characters. reshape: 0 to 1, how far the surface may go from where it is: 0 changes the texture only and leaves
    every vertex and UV as it is, 1 is free. strength: 0.05 to 1, how much of the colours may change; 1 paints from
    nothing. preset, prior, seed, texture_size, effort, name: as of a text to 3D job; texture_size 0 is that of the
    base colour at reshape 0, else the preset's.

    Inputs: the mesh in the object's frame (Z up, front towards -Y), closed or not: vertices, faces, and where there are
    any uvs (one per face corner, v up) with base_colour, a PNG or JPEG file on them; and `base.GUIDES`, learned words
    and a picture of a style; and `base.SEEN`. The result stands where the mesh stood, in its size and turned as it was.

    Raises BadRequest (or TooLarge) naming the field.
    """

    kind: ClassVar[str] = "edit"
    WHAT_TO_SAY: ClassVar[str] = "Say in a few words what it shall become."
    INPUTS: ClassVar[tuple[Input, ...]] = (
        Input("vertices", ("<f4",), (None, 3)),
        Input("faces", ("<i4",), (None, 3)),
        Input("uvs", ("<f4",), (None, 2), required=False),
        Input("base_colour", ("|u1",), (None,), required=False, maximum=MAX_PICTURE_BYTES),
        SEEN,
        *GUIDES,
    )

    prompt: str
    negative_prompt: str = ""
    preset: str = "draft"
    prior: str = ""
    seed: int | None = None
    reshape: float = 0.5
    strength: float = 1.0
    texture_size: int = 0
    effort: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "reshape", checks.number(0.0, 1.0)(self.reshape, "reshape"))
        object.__setattr__(self, "strength", checks.number(0.05, 1.0)(self.strength, "strength"))

    @property
    def title(self) -> str:
        """The object's name with the prompt, or the prompt."""
        return " ".join((f"{self.name}: {self.prompt}" if self.name else self.prompt).split())
