# SPDX-License-Identifier: GPL-3.0-or-later
"""Segment: a few clicks become a mask of a picture, or a selection of a mesh's faces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from .. import checks
from ..arrays import Descriptor
from ..errors import BadRequest
from .base import Input, Spec
from .texture import MAX_PICTURE_BYTES, MAX_VIEWS

WAYS = ("auto", "picture", "object", "surface")
MAX_CLICKS = 256
MAX_SIDE = 16384  # pixels


@dataclass(frozen=True)
class SegmentSpec(Spec):
    """Clicks say what is meant: of a picture, or of a mesh that a camera sees.

    by: what decides on a mesh. `object` takes the whole object (or loose part) under a click, exactly, by ids;
    `surface` takes the piece of the surface that creases and colours set apart; `picture` segments what the cameras
    see and lifts it to the faces by majority; `auto` is `object` where there are several objects or parts, else
    `surface`. segmenter: a folder with SAM or SAM 2 weights, empty for the embedded segmenter. width, height: size of
    the picture that the clicks are in, where no picture goes in; 0 for the picture's own. grow: pixels by which the
    mask grows, -64 to 64. name: for lists of jobs.

    Inputs: clicks, rows of x, y (pixels from the top left corner) and 1 for inside or 0 for outside. Of a picture:
    picture, a PNG or JPEG file. Of a mesh: vertices, faces, cameras (the first is the one that was clicked in, the
    others join in the vote; 4 x 4 camera-to-world, looking along -Z, Y up), fields_of_view (vertical, radians), and
    where there are any uvs and base_colour, objects (a number for each face: which object it belongs to), picture
    (what the first camera shows) and mask (a PNG as the first camera sees it, instead of clicks: it is lifted to the
    faces as it is).

    Results: mask, a PNG of the picture's size, white inside; of a mesh also selected, a byte for each face.

    Raises BadRequest (or TooLarge) naming the field.
    """

    kind: ClassVar[str] = "segment"
    INPUTS: ClassVar[tuple[Input, ...]] = (
        Input("clicks", ("<f4",), (None, 3), required=False, maximum=12 * MAX_CLICKS),
        Input("picture", ("|u1",), (None,), required=False, maximum=MAX_PICTURE_BYTES),
        Input("mask", ("|u1",), (None,), required=False, maximum=MAX_PICTURE_BYTES),
        Input("vertices", ("<f4",), (None, 3), required=False),
        Input("faces", ("<i4",), (None, 3), required=False),
        Input("objects", ("<i4",), (None,), required=False),
        Input("uvs", ("<f4",), (None, 2), required=False),
        Input("base_colour", ("|u1",), (None,), required=False, maximum=MAX_PICTURE_BYTES),
        Input("cameras", ("<f4",), (None, 4, 4), required=False, maximum=64 * MAX_VIEWS),
        Input("fields_of_view", ("<f4",), (None,), required=False, maximum=4 * MAX_VIEWS),
    )

    by: str = "auto"
    segmenter: str = ""
    width: int = 0
    height: int = 0
    grow: int = 0
    name: str = ""

    def __post_init__(self) -> None:
        checks.one_of(*WAYS)(self.by, "by")
        checks.text(1024, printable=True)(self.segmenter, "segmenter")
        checks.integer(0, MAX_SIDE)(self.width, "width")
        checks.integer(0, MAX_SIDE)(self.height, "height")
        if (self.width == 0) != (self.height == 0):
            raise BadRequest(f"The picture's size is {self.width} x {self.height}; give both sides or neither.",
                             path="height" if self.height == 0 else "width")
        checks.integer(-64, 64)(self.grow, "grow")
        checks.text(63, printable=True)(self.name, "name")

    @property
    def title(self) -> str:
        """What is segmented."""
        return f"{self.name}: select by clicks" if self.name else "Select by clicks"

    def check_inputs(self, inputs: Iterable[Descriptor]) -> None:
        """As of every kind; and there must be something to look at, and something that says what is meant."""
        given = list(inputs)
        super().check_inputs(given)
        found = {one.name for one in given}
        mesh = {"vertices", "faces", "cameras", "fields_of_view"}
        if not found & (mesh | {"picture"}):
            raise BadRequest("There is nothing to segment.", path="inputs.picture",
                             hint="Send a picture, or a mesh with a camera.")
        missing = sorted(mesh - found)
        if found & mesh and missing:
            raise BadRequest(f"To segment a mesh, {' and '.join(missing)} must go in too.", path=f"inputs.{missing[0]}")
        if "clicks" not in found and "mask" not in found:
            raise BadRequest("Nothing says what is meant.", path="inputs.clicks",
                             hint="Send clicks, or on a mesh a mask.")
        if "mask" in found and not found & mesh:
            raise BadRequest("A mask without a mesh has nothing to be lifted to.", path="inputs.mask")
        if found & mesh and not found & {"picture", "mask"} and self.width == 0:
            raise BadRequest("The size of the picture that the clicks are in is missing.", path="width",
                             hint="Set `width` and `height`.")
