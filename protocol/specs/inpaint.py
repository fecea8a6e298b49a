# SPDX-License-Identifier: GPL-3.0-or-later
"""Inpaint: what is selected of a textured mesh, or of a picture, is removed, filled or left alone in a new world."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from .. import checks
from ..arrays import Descriptor
from ..errors import BadRequest
from .base import GUIDES, GeneratingSpec, Input
from .texture import MAX_PICTURE_BYTES, MAX_VIEWS

VERBS = ("remove", "fill", "replace")
INPAINT_ENGINES = ("auto", "classical", "views", "distillation")
INPAINT_RIGS = ("facing", "turntable", "coverage", "cameras")
MAX_GROWTH = 256  # texels or pixels
MESH_INPUTS = ("vertices", "faces", "uvs", "base_colour")


@dataclass(frozen=True)
class InpaintSpec(GeneratingSpec):
    """A part of a texture, or of a picture, is made anew; everything else stays to the last bit.

    verb: `remove` continues what surrounds the selection, `fill` puts in what the prompt says, `replace` keeps the
    selection and makes everything else anew. prompt: at most 2,000 characters, and not empty unless the verb is
    `remove`. negative_prompt: what to avoid. engine: `classical` continues by an inpainter that knows no words (remove
    only), `views` lets the prior paint views that agree on the surface, `distillation` optimises colours and works
    with any prior (meshes only), `auto` is classical where there are no words, else views. inpainter: what continues
    without words; empty for the choice by content, the name of one method, or a LaMa file. rig: where the views of a
    mesh stand; `facing` before the selection, the others as of a texture job. views: 1 to 64, 0 for as many as the
    selection needs; ignored with `cameras`. grow: 0 to 256 texels (or pixels) by which the selection is grown; below
    zero it shrinks. feather: 0 to 256 texels over which the new meets the old, always inside the selection. strength:
    0.05 to 1; 1 starts from nothing, less keeps more of what is there. at_once, preset, prior, seed, effort, name: as
    of a texture job; prior may also be the folder of a diffusers inpainting pipeline.

    Inputs of a mesh, in the object's frame: vertices, faces, uvs (one per face corner), base_colour (PNG or JPEG);
    selected, one byte a face, 0 or 1, or mask, a PNG on the UVs whose white is selected, or both, of which the common
    part is taken; cameras with fields_of_view as of a texture job. Of a picture: picture (PNG or JPEG) and mask, a
    PNG of the same size. Of both: `base.GUIDES`, learned words and a picture of a style. Result: base_colour, or
    picture, as a PNG of the size that went in.

    Raises BadRequest (or TooLarge) naming the field.
    """

    kind: ClassVar[str] = "inpaint"
    WHAT_TO_SAY: ClassVar[str] = ""
    INPUTS: ClassVar[tuple[Input, ...]] = (
        Input("vertices", ("<f4",), (None, 3), required=False),
        Input("faces", ("<i4",), (None, 3), required=False),
        Input("uvs", ("<f4",), (None, 2), required=False),
        Input("base_colour", ("|u1",), (None,), required=False, maximum=MAX_PICTURE_BYTES),
        Input("selected", ("|u1",), (None,), required=False),
        Input("mask", ("|u1",), (None,), required=False, maximum=MAX_PICTURE_BYTES),
        Input("picture", ("|u1",), (None,), required=False, maximum=MAX_PICTURE_BYTES),
        Input("cameras", ("<f4",), (None, 4, 4), required=False),
        Input("fields_of_view", ("<f4",), (None,), required=False),
        *GUIDES,
    )

    verb: str
    prompt: str = ""
    negative_prompt: str = ""
    preset: str = "draft"
    prior: str = ""
    seed: int | None = None
    engine: str = "auto"
    inpainter: str = ""
    rig: str = "facing"
    views: int = 0
    grow: int = 0
    feather: int = 0
    strength: float = 1.0
    at_once: int = 0
    effort: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.one_of(*VERBS)(self.verb, "verb")
        if self.verb != "remove" and not self.prompt.strip():
            raise BadRequest(f"To {self.verb} needs a prompt.", path="prompt",
                             hint="Say in a few words what it should look like, or set the verb to remove.")
        checks.one_of(*INPAINT_ENGINES)(self.engine, "engine")
        if self.engine == "classical" and self.prompt.strip():
            raise BadRequest("The classical engine knows no words, and there is a prompt.", path="engine",
                             hint="Empty the prompt, or set engine to views.")
        if self.engine in ("views", "distillation") and not self.prompt.strip():
            raise BadRequest(f"The engine {self.engine} paints from words, and the prompt is empty.", path="prompt",
                             hint="Say what the surroundings are, or set engine to classical.")
        checks.text(1024, printable=True)(self.inpainter, "inpainter")
        checks.one_of(*INPAINT_RIGS)(self.rig, "rig")
        checks.integer(0, MAX_VIEWS)(self.views, "views")
        checks.integer(-MAX_GROWTH, MAX_GROWTH)(self.grow, "grow")
        checks.integer(0, MAX_GROWTH)(self.feather, "feather")
        object.__setattr__(self, "strength", checks.number(0.05, 1.0)(self.strength, "strength"))
        checks.integer(0, MAX_VIEWS)(self.at_once, "at_once")

    @property
    def title(self) -> str:
        """The object's name with the verb and the prompt."""
        return " ".join(f"{self.name}: {self.verb} {self.prompt}".strip(": ").split())

    @property
    def words(self) -> bool:
        """Whether a prior paints; otherwise an inpainter continues what is there."""
        return bool(self.prompt.strip())

    def check_inputs(self, inputs: Iterable[Descriptor]) -> None:
        """A mesh with a selection, or a picture with a mask, and not both. Raises BadRequest naming the input."""
        given = list(inputs)
        super().check_inputs(given)
        names = {one.name for one in given}
        if "picture" in names:
            self._check_picture(names)
            return
        for name in MESH_INPUTS:
            if name not in names:
                raise BadRequest(f"To inpaint a mesh the input {name} is missing.", path=f"inputs.{name}",
                                 hint="Send vertices, faces, uvs and base_colour, or a picture with its mask. A mesh "
                                      "without UVs or without a base colour gets both from a texture job.")
        if not names & {"selected", "mask"}:
            raise BadRequest("Nothing says what is selected.", path="inputs.selected",
                             hint="Send selected, one byte a face, or mask, a PNG on the UVs.")

    def _check_picture(self, names: set[str]) -> None:
        for name in (*MESH_INPUTS, "selected", "cameras", "fields_of_view"):
            if name in names:
                raise BadRequest(f"A picture came in, and {name}, which belongs to a mesh.", path=f"inputs.{name}",
                                 hint="Send a picture with its mask, or a mesh.")
        if "mask" not in names:
            raise BadRequest("A picture came in without a mask.", path="inputs.mask",
                             hint="Send mask, a PNG of the same size whose white is selected.")
        if self.engine == "distillation":
            raise BadRequest("Distillation needs a mesh, and a picture came in.", path="engine",
                             hint="Set engine to views or auto.")
