# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenCV's inpainting methods, where OpenCV is installed (`pip install maquette[inpaint]`).

They are what our own methods are measured against, and for artists who know them. Two conventions differ from each
other and from ours: `inpaint` marks the hole, `xphoto` what is known; and the shift map expects CIE Lab.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.inpainting.base import Hole, Picture, check, composite, nearest
from protocol.errors import BadRequest

METHODS = ("telea", "navier-stokes", "shift-map", "frequencies")
RADIUS = 3  # pixels that Telea and Navier-Stokes look around


class OpenCV:
    """One of METHODS; works in 8 bits. See `Inpainter`. Raises BadRequest when OpenCV is missing."""

    def __init__(self, name: str):
        if name not in METHODS:
            raise ValueError(f"{name} is not one of {METHODS}")
        self.name = name
        try:
            self._cv: Any = importlib.import_module("cv2")
        except ImportError as problem:
            raise BadRequest(f"The inpainter {name} is OpenCV's, which is not installed.", path="inpainter",
                             hint="Leave `inpainter` empty, or install opencv-contrib-python-headless.") from problem
        if name in METHODS[2:] and not hasattr(self._cv, "xphoto"):
            raise BadRequest(f"This OpenCV has no {name}.", path="inpainter",
                             hint="Install opencv-contrib-python-headless in its place.")

    def fill(self, picture: Picture, hole: Hole, beside: Hole | None = None) -> Picture:
        unknown = check(picture, hole, beside)
        if not hole.any():
            return picture.copy()
        plain = np.where(hole[..., None], 0, nearest(picture[..., :3], unknown))
        bytes_ = np.ascontiguousarray(np.rint(plain.clip(0, 1) * 255).astype(np.uint8))
        return composite(picture, hole, self._run(bytes_, hole).astype(np.float32) / 255.0)

    def _run(self, picture: NDArray[np.uint8], hole: Hole) -> NDArray[np.uint8]:
        cv = self._cv
        if self.name in ("telea", "navier-stokes"):
            kind = cv.INPAINT_TELEA if self.name == "telea" else cv.INPAINT_NS
            return np.asarray(cv.inpaint(picture, hole.astype(np.uint8), RADIUS, kind))
        known = np.where(hole, 0, 255).astype(np.uint8)
        result = np.zeros_like(picture)
        if self.name == "frequencies":
            cv.xphoto.inpaint(picture, known, result, cv.xphoto.INPAINT_FSR_FAST)
            return result
        cv.xphoto.inpaint(cv.cvtColor(picture, cv.COLOR_RGB2LAB), known, result, cv.xphoto.INPAINT_SHIFTMAP)
        return np.asarray(cv.cvtColor(result, cv.COLOR_LAB2RGB))
