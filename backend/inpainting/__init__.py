# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures with holes, continued without words: classical methods, networks that a user has, and the choice of them.

Everything here is an `Inpainter`: it takes a picture and a hole and gives the picture without it, every known pixel
to the last bit as it was. Filling from words is the business of priors (`backend.texturing`, `backend.jobs.inpaint`).
"""

from backend.inpainting.base import Inpainter
from backend.inpainting.choice import METHODS, inpainter_of

__all__ = ["METHODS", "Inpainter", "inpainter_of"]
