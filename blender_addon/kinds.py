# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of work that the panel offers, one entry each.

A kind says how the scene becomes a spec with its inputs and how its result comes back. Only those that the protocol
knows are offered, so that an entry may be here before the rest of the house has learned it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import wire
from .apply import painting as painted
from .apply import result
from .capture import painting, text


def _nothing(context: Any, properties: Any, target: str, spec: Any) -> dict[str, np.ndarray]:
    return {}


def _nobody(context: Any, properties: Any) -> str:
    return ""


@dataclass(frozen=True)
class Kind:
    """One kind of work.

    kind: its name on the wire. label, description, icon: of the switch in the panel. settings: names of the properties
    of `scene.maquette` that matter to it. spec, target, inputs: out of the context and the properties; target is the
    name of the object that is worked on, empty for none, and inputs get both; all three raise BadRequest for what
    is missing.
    deliver: brings the result into the scene and returns the object's name. uses_rig, uses_picture: does it look at
    the cameras, at a picture that was dropped on the prompt?
    """

    kind: str
    label: str
    description: str
    icon: str
    settings: tuple[str, ...]
    spec: Callable[[Any, Any], Any]
    deliver: Callable[[result.Delivery], str]
    inputs: Callable[[Any, Any, str, Any], Mapping[str, np.ndarray]] = _nothing
    target: Callable[[Any, Any], str] = _nobody
    uses_rig: bool = False
    uses_picture: bool = False


KINDS = (
    Kind(
        kind="text_to_3d",
        label="Generate",
        description="Make a textured object from a sentence",
        icon="MESH_MONKEY",
        settings=("negative_prompt", "preset", "prior", "seed", "size_metres", "place", "effort", "texture_size"),
        spec=lambda context, properties: text.spec_from(properties),
        deliver=result.deliver,
    ),
    Kind(
        kind="texture",
        label="Texture",
        description="Paint the selected mesh from a sentence",
        icon="TPAINT_HLT",
        settings=("negative_prompt", "preset", "prior", "seed", "effort", "texture_size", "uvs"),
        spec=painting.spec_from,
        deliver=painted.deliver,
        inputs=painting.inputs,
        target=painting.target,
        uses_rig=True,
    ),
)


def offered() -> list[Kind]:
    """The kinds that this version of the protocol knows, in the panel's order; the first is the default."""
    return [one for one in KINDS if one.kind in wire.specs.KINDS]


def find(kind: str) -> Kind:
    """The entry of a kind; raises BadRequest when there is none."""
    for one in KINDS:
        if one.kind == kind:
            return one
    raise wire.errors.BadRequest(f"This add-on cannot do work of the kind {kind}.", hint="Update the add-on.")


def chosen(properties: Any) -> Kind:
    """The kind that the panel stands on."""
    known = offered()
    return next((one for one in known if one.kind == properties.kind), known[0])


def complaint(context: Any) -> str:
    """Why the button would be refused as things stand, in a sentence for the panel; empty when it would not."""
    properties = context.scene.maquette
    if not text.prompt_of(properties):
        return "Type what to make into Prompt"
    kind = chosen(properties)
    try:
        kind.spec(context, properties)
        kind.target(context, properties)
    except wire.errors.MaquetteError as error:
        return str(error)
    return ""
