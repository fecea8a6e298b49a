# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be asked of a worker: one frozen dataclass for each kind of job, one module each.

A spec is the whole request: everything that decides the result, and nothing about where or when it runs. It goes
over the wire as `kind` plus `to_map()`, and `spec_from_map` makes it again with the same checks on the other side.
Arrays that a job needs (a mesh, a picture) go in beside the spec; its `INPUTS` say which. A new kind is a new module
here, an entry in `KINDS`, and a recipe in the backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UnknownKind
from .animate import AnimateSpec
from .avatar import AvatarSpec
from .base import GUIDES, MAX_INPUT_BYTES, MAX_INPUTS, MAX_PROMPT, MAX_SEED, GeneratingSpec, Input, Spec
from .edit import EditSpec
from .inpaint import InpaintSpec
from .learn import LearnSpec
from .remove import RemoveSpec
from .rig import RigSpec
from .segment import SegmentSpec
from .text_to_3d import TextTo3DSpec
from .texture import TextureSpec
from .variations import VariationsSpec

__all__ = [
    "GUIDES", "KINDS", "MAX_INPUTS", "MAX_INPUT_BYTES", "MAX_PROMPT", "MAX_SEED",
    "AnimateSpec",
    "AvatarSpec",
    "EditSpec",
    "GeneratingSpec",
    "InpaintSpec",
    "Input",
    "JobSpec",
    "LearnSpec",
    "RemoveSpec",
    "RigSpec",
    "SegmentSpec",
    "Spec",
    "TextTo3DSpec",
    "TextureSpec",
    "VariationsSpec",
    "spec_from_map",
]

JobSpec = Spec

KINDS: dict[str, type[Spec]] = {
    one.kind: one for one in (
        AnimateSpec,
        TextTo3DSpec,
        VariationsSpec,
        TextureSpec,
        AvatarSpec,
        EditSpec,
        InpaintSpec,
        LearnSpec,
        RemoveSpec,
        RigSpec,
        SegmentSpec,
    )
}


def spec_from_map(kind: str, values: Mapping[str, Any]) -> JobSpec:
    """The spec of this kind, checked. Raises UnknownKind, or BadRequest for a wrong field."""
    if kind not in KINDS:
        raise UnknownKind(
            f"This version cannot do jobs of the kind {kind[:64]!r}, it knows {', '.join(sorted(KINDS))}.",
            path="kind", hint="Update the side that is older.", detail={"knows": sorted(KINDS)},
        )
    return KINDS[kind].from_map(values)
