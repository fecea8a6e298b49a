# SPDX-License-Identifier: GPL-3.0-or-later
"""What a segment job was given, checked: a picture or a mesh before cameras, and what says what is meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.geometry.mesh import Mesh
from backend.jobs.texture_input import mesh_of, picture_of
from backend.render.cameras import Cameras
from backend.segmentation.base import Clicks, read_clicks
from backend.texturing.rig import Frame
from protocol.errors import BadRequest
from protocol.specs import SegmentSpec


@dataclass(frozen=True, eq=False)
class SegmentInput:
    """picture: (H, W, 3) uint8 or None; clicks, or None where a mask (H, W) says what is meant. mesh: in the default
    cameras' frame, or None, then with cameras of the picture's size; objects: (F,) or None; texture: (S, S, 3) or
    None. width, height: of the picture."""

    picture: NDArray[np.uint8] | None
    clicks: Clicks | None
    mask: NDArray[np.bool_] | None
    mesh: Mesh | None
    cameras: Cameras | None
    objects: NDArray[np.int64] | None
    texture: NDArray[np.uint8] | None
    width: int
    height: int


def read_segment(spec: SegmentSpec, inputs: Mapping[str, NDArray[Any]]) -> SegmentInput:
    """Raises BadRequest or TooLarge naming the input."""
    picture, white = picture_of(inputs, "picture", "RGB"), picture_of(inputs, "mask", "L")
    shape = picture.shape[:2] if picture is not None else None if white is None else white.shape
    height, width = shape if shape is not None else (spec.height, spec.width)
    if spec.width and (spec.width, spec.height) != (width, height):
        raise BadRequest(f"The picture has {width} x {height} pixels, and the clicks lie in {spec.width} x "
                         f"{spec.height}.", path="width", hint="Leave `width` and `height` at 0, or let them match.")
    if white is not None and picture is not None and white.shape != picture.shape[:2]:
        raise BadRequest(f"The mask has {white.shape[1]} x {white.shape[0]} pixels, the picture {width} x {height}.",
                         path="inputs.mask")
    clicks = read_clicks(inputs["clicks"], width, height) if "clicks" in inputs else None
    if clicks is not None and white is not None:
        raise BadRequest("Both clicks and a mask say what is meant.", path="inputs.mask", hint="Send one of them.")
    if "vertices" not in inputs:
        return SegmentInput(picture, clicks, None, None, None, None, None, width, height)
    bare = mesh_of(inputs)
    frame = Frame.of(bare.vertices)
    mesh = Mesh(frame.vertices(bare.vertices), bare.faces, bare.uvs)
    texture = picture_of(inputs, "base_colour", "RGB")
    if texture is not None and (mesh.uvs is None or not np.isfinite(mesh.uvs).all()):
        texture = None
    objects = inputs.get("objects")
    if objects is not None and len(objects) != len(mesh.faces):
        raise BadRequest(f"There are {len(objects):,} object numbers for {len(mesh.faces):,} faces.",
                         path="inputs.objects")
    mask = None if white is None else white > 127
    if mask is not None and not mask.any():
        raise BadRequest("The mask is black everywhere, so nothing is meant.", path="inputs.mask")
    return SegmentInput(
        picture, clicks, mask, mesh, _cameras(inputs, frame).resized(width, height),
        None if objects is None else np.asarray(objects, np.int64), texture, width, height,
    )


def _cameras(inputs: Mapping[str, NDArray[Any]], frame: Frame) -> Cameras:
    poses, angles = inputs["cameras"], inputs["fields_of_view"]
    if len(poses) != len(angles):
        raise BadRequest(f"There are {len(poses)} cameras and {len(angles)} fields of view.",
                         path="inputs.fields_of_view")
    turn = poses[:, :3, :3].astype(np.float64)
    straight = np.isfinite(turn).all() and np.abs(turn.transpose(0, 2, 1) @ turn - np.eye(3)).max() < 1e-3
    if not straight or not np.isfinite(poses).all() or not ((angles > 0.001) & (angles < 3.1)).all():
        raise BadRequest("A camera's matrix must be a rotation and a place, without scale, and its field of view "
                         "between 0.001 and 3.1 radians.", path="inputs.cameras")
    return frame.cameras(poses, angles)
