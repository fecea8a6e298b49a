# SPDX-License-Identifier: GPL-3.0-or-later
"""Texture: a sentence becomes the texture of a mesh that is there already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .. import checks
from .base import GUIDES, GeneratingSpec, Input

ENGINES = ("views", "distillation")
RIGS = ("turntable", "coverage", "cameras")
UV_CHOICES = ("auto", "given", "new")
MAX_VIEWS = 64
MAX_PICTURE_BYTES = 256 << 20


@dataclass(frozen=True)
class TextureSpec(GeneratingSpec):
    """A sentence becomes a texture.

    prompt: 1 to 2,000 characters, not only spaces. negative_prompt: what to avoid, at most 2,000 characters. engine:
    `views` paints views that agree on the surface, `distillation` optimises colours and works with any prior. rig:
    where the views stand; `turntable` rings and one from above, `coverage` the directions that see most, one after
    another, `cameras` those that go in. views: 1 to 64, 0 for the preset's own; ignored with `cameras`. strength: 0.05
    to 1; 1 paints from nothing, less keeps more of the base colour that goes in. uvs: `given` uses the UVs that go in
    or fails, `new` makes new ones, `auto` makes new ones where those that go in cannot be painted on. at_once: views
    that are denoised together, 0 for all; fewer need less memory. preset, prior, seed, texture_size, effort, name: as
    of a text to 3D job; texture_size 0 is that of the base colour where there is one, else the preset's.

    Inputs: the mesh in the object's frame (Z up, front towards -Y): vertices, faces, and where there are any uvs (one
    per face corner, v up); base_colour, a PNG or JPEG file on these UVs; keep, a PNG whose white texels stay as they
    are in base_colour, to the last bit; cameras, 4 x 4 camera-to-world matrices (looking along -Z, Y up), with
    fields_of_view, vertical, in radians; and `base.GUIDES`, learned words and a picture of a style.

    Raises BadRequest (or TooLarge) naming the field.
    """

    kind: ClassVar[str] = "texture"
    WHAT_TO_SAY: ClassVar[str] = "Say in a few words what it should look like."
    INPUTS: ClassVar[tuple[Input, ...]] = (
        Input("vertices", ("<f4",), (None, 3)),
        Input("faces", ("<i4",), (None, 3)),
        Input("uvs", ("<f4",), (None, 2), required=False),
        Input("base_colour", ("|u1",), (None,), required=False, maximum=MAX_PICTURE_BYTES),
        Input("keep", ("|u1",), (None,), required=False, maximum=MAX_PICTURE_BYTES),
        Input("cameras", ("<f4",), (None, 4, 4), required=False),
        Input("fields_of_view", ("<f4",), (None,), required=False),
        *GUIDES,
    )

    prompt: str
    negative_prompt: str = ""
    preset: str = "draft"
    prior: str = ""
    seed: int | None = None
    engine: str = "views"
    rig: str = "turntable"
    views: int = 0
    strength: float = 1.0
    uvs: str = "auto"
    at_once: int = 0
    texture_size: int = 0
    effort: float = 1.0
    name: str = ""
    maps: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.one_of(*ENGINES)(self.engine, "engine")
        checks.one_of(*RIGS)(self.rig, "rig")
        checks.integer(0, MAX_VIEWS)(self.views, "views")
        object.__setattr__(self, "strength", checks.number(0.05, 1.0)(self.strength, "strength"))
        checks.one_of(*UV_CHOICES)(self.uvs, "uvs")
        checks.integer(0, MAX_VIEWS)(self.at_once, "at_once")
        checks.text(1024, printable=True)(self.maps, "maps")

    @property
    def title(self) -> str:
        """The object's name with the prompt, or the prompt."""
        return " ".join((f"{self.name}: {self.prompt}" if self.name else self.prompt).split())
