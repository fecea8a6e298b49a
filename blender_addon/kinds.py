# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of work that the add-on knows, one entry each.

A kind says how the scene becomes a spec with its inputs, which settings the panel shows for it, and how its result
comes back. Only those that the protocol knows are offered, so that an entry may be here before the rest of the house
has learned it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import bpy
import numpy as np

from . import wire
from .apply import action, armature, learned, result
from .apply import editing as edited
from .apply import inpainting as inpainted
from .apply import painting as painted
from .apply import removing as removed
from .apply import selecting as selected
from .apply import variations as varied
from .apply.placement import Place
from .capture import (
    editing,
    figure,
    inpainting,
    learning,
    meshes,
    motion,
    painting,
    pictures,
    removing,
    skeleton,
    text,
)

GEOMETRY = ("vertices", "faces", "uvs")
"""Inputs that a result without a mesh lies on."""


def _no_inputs(context: Any, properties: Any, target: str, spec: Any, options: dict[str, Any]) -> dict[str, np.ndarray]:
    return {}


def _no_options(context: Any, properties: Any, target: str, spec: Any) -> dict[str, Any]:
    return {}


def _nobody(context: Any, properties: Any) -> str:
    return ""


def _object(name: str, options: dict[str, Any]) -> Any:
    return bpy.data.objects.get(name)


def _object_or_image(name: str, options: dict[str, Any]) -> Any:
    return bpy.data.images.get(name) if "picture" in options else bpy.data.objects.get(name)


@dataclass(frozen=True)
class Kind:
    """One kind of work.

    kind: its name on the wire. label, description, icon: of the switch in the panel; no label: it is not on the switch.
    settings, more: names of the properties of `scene.maquette` that matter to it, those of the first part of the panel
    and those of Advanced, in order. sentence: name of the property that says what to do. prompt: what the panel
    says where that is empty; none where the kind can do without.
    spec, target, options, inputs: out of the context and the properties; target is the name of the object that is
    worked on, empty for none; options are plain values for the way back; all raise BadRequest for what is missing.
    deliver: brings the result into the scene and returns a name, `found` is what that names. uses_rig, uses_picture:
    does it look at the cameras, at a picture in whose style it works? place: where a result stands that is an object
    beside its target. keeps: inputs that complete the result. anytime: may the result land while something is being
    edited? aliases: names of the spec's fields that are others in `scene.maquette`.
    """

    kind: str
    label: str
    description: str
    icon: str
    spec: Callable[[Any, Any], Any]
    deliver: Callable[[result.Delivery], str]
    settings: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    sentence: str = "prompt"
    prompt: str = ""
    target: Callable[[Any, Any], str] = _nobody
    options: Callable[[Any, Any, str, Any], dict[str, Any]] = _no_options
    inputs: Callable[[Any, Any, str, Any, dict[str, Any]], Mapping[str, np.ndarray]] = _no_inputs
    found: Callable[[str, dict[str, Any]], Any] = _object
    uses_rig: bool = False
    uses_picture: bool = False
    place: Callable[[str, dict[str, Any]], Place] | None = None
    keeps: tuple[str, ...] = ()
    anytime: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)


MAKE = "Type what to make into Prompt"

KINDS = (
    Kind(
        kind="text_to_3d",
        label="Generate",
        description="Make a textured object from a sentence",
        icon="MESH_MONKEY",
        settings=("prompt", "preset", "size_metres", "place", "count", "seed"),
        more=("negative_prompt", "prior", "effort", "texture_size", "picture", "object_name", "collection"),
        prompt=MAKE,
        uses_picture=True,
        spec=lambda context, properties: text.spec_from(properties),
        deliver=result.deliver,
    ),
    Kind(
        kind="texture",
        label="Texture",
        description="Paint the selected mesh from a sentence",
        icon="TPAINT_HLT",
        settings=("prompt", "preset", "seed"),
        more=("negative_prompt", "prior", "effort", "texture_size", "uvs", "picture"),
        prompt=MAKE,
        uses_picture=True,
        spec=painting.spec_from,
        deliver=painted.deliver,
        inputs=painting.inputs,
        target=meshes.target,
        uses_rig=True,
        keeps=GEOMETRY,
    ),
    Kind(
        kind="edit",
        label="Edit",
        description="Make the selected mesh into what a new sentence says; the result stands beside it",
        icon="MOD_WARP",
        settings=("prompt", "reshape", "preset", "hide_original", "seed"),
        more=("negative_prompt", "prior", "effort", "texture_size", "strength", "picture", "object_name"),
        prompt="Type what it shall become into Prompt",
        uses_picture=True,
        spec=editing.spec_from,
        deliver=edited.deliver,
        inputs=editing.inputs,
        options=editing.options,
        target=meshes.target,
        place=edited.place_of,
    ),
    Kind(
        kind="inpaint",
        label="Inpaint",
        description="Make the texture of what is selected anew; every other texel stays",
        icon="BRUSH_DATA",
        settings=("verb", "prompt", "selection", "preset", "seed"),
        more=("negative_prompt", "prior", "effort", "strength", "grow", "feather", "picture"),
        spec=inpainting.spec_from,
        deliver=inpainted.deliver,
        inputs=inpainting.inputs,
        options=inpainting.options,
        target=meshes.target,
        found=_object_or_image,
        uses_rig=True,
        uses_picture=True,
    ),
    Kind(
        kind="remove",
        label="Remove",
        description="Take the selected piece away and close the surface and its texture over it",
        icon="MOD_BOOLEAN",
        settings=("selection", "closing", "seed"),
        more=("patch_views",),
        spec=removing.spec_from,
        deliver=removed.deliver,
        inputs=removing.inputs,
        options=removing.options,
        target=meshes.target,
        aliases={"views": "patch_views"},
    ),
    Kind(
        kind="learn",
        label="Learn",
        description="Learn a word from a few pictures; every prompt may use it afterwards",
        icon="BOOKMARKS",
        settings=("word", "subject", "noun", "pictures", "seed"),
        more=("prior", "learn_method", "steps"),
        spec=learning.spec_from,
        deliver=learned.deliver,
        inputs=learning.inputs,
        options=learning.options,
        found=lambda name, options: name,
        anytime=True,
        aliases={"method": "learn_method"},
    ),
    Kind(
        kind="avatar",
        label="Avatar",
        description="Make a person from a sentence, with a skeleton and, where wanted, a motion",
        icon="OUTLINER_OB_ARMATURE",
        settings=("prompt", "motion", "preset", "height_metres", "place", "seed"),
        more=("negative_prompt", "prior", "effort", "texture_size", "seconds", "picture", "object_name", "collection"),
        prompt="Type who it is into Prompt",
        uses_picture=True,
        spec=figure.spec_from,
        deliver=armature.deliver_avatar,
    ),
    Kind(
        kind="rig",
        label="Rig",
        description="Give the selected mesh a skeleton that moves it",
        icon="ARMATURE_DATA",
        settings=("creature", "naming", "markers"),
        more=("front", "fingers"),
        spec=skeleton.rig_spec_from,
        deliver=armature.deliver,
        inputs=skeleton.rig_inputs,
        options=skeleton.rig_options,
        target=meshes.target,
        keeps=GEOMETRY,
    ),
    Kind(
        kind="animate",
        label="Animate",
        description="Move the selected armature, or the one of the selected mesh, as a sentence says",
        icon="POSE_HLT",
        settings=("motion", "seconds", "loop", "root_mode", "seed"),
        more=("style", "mirror", "animate_method", "prior", "bone_map"),
        sentence="motion",
        prompt="Type what the figure does",
        spec=motion.spec_from,
        deliver=action.deliver,
        inputs=motion.inputs,
        options=motion.options,
        target=motion.target,
        aliases={"prompt": "motion", "method": "animate_method"},
    ),
    Kind(
        kind="variations",
        label="",
        description="",
        icon="MESH_MONKEY",
        spec=lambda context, properties: text.spec_from(properties),
        deliver=varied.deliver,
    ),
    Kind(
        kind="segment",
        label="",
        description="",
        icon="RESTRICT_SELECT_OFF",
        spec=lambda context, properties: wire.specs.SegmentSpec(),
        deliver=selected.deliver,
        found=_object_or_image,
        anytime=True,
    ),
)


def offered() -> list[Kind]:
    """The kinds on the panel's switch that this version of the protocol knows, in order; the first is the default."""
    return [one for one in KINDS if one.label and one.kind in wire.specs.KINDS]


def find(kind: str) -> Kind:
    """The entry of a kind; raises BadRequest when there is none."""
    for one in KINDS:
        if one.kind == kind:
            return one
    raise wire.errors.BadRequest(f"This add-on cannot do work of the kind {kind}.", hint="Update the add-on.")


def icon(kind: str) -> str:
    """The icon of a kind, also of one that this version does not know."""
    return next((one.icon for one in KINDS if one.kind == kind), "QUESTION")


def chosen(properties: Any) -> Kind:
    """The kind that the panel stands on."""
    known = offered()
    return next((one for one in known if one.kind == properties.kind), known[0])


def complaint(context: Any) -> str:
    """Why the button would be refused as things stand, in a sentence for the panel; empty when it would not."""
    properties = context.scene.maquette
    kind = chosen(properties)
    said = text.prompt_of(properties) if kind.sentence == "prompt" else getattr(properties, kind.sentence).strip()
    if kind.prompt and not said:
        return kind.prompt
    try:
        kind.spec(context, properties)
        kind.target(context, properties)
    except wire.errors.MaquetteError as error:
        return str(error)
    return ""


def picture_complaint(context: Any) -> str:
    """Why the picture of an image editor cannot be worked on as things stand; empty when it can."""
    space = context.space_data
    image = space.image if space is not None and space.type == "IMAGE_EDITOR" else None
    if image is None:
        return "Open a picture in the Image Editor"
    if image == context.scene.maquette.mask:
        return "This is the mask itself; show the picture"
    try:
        inpainting.picture_spec_from(context, context.scene.maquette, image)
    except wire.errors.MaquetteError as error:
        return str(error)
    return ""


def style_of(properties: Any, kind: Kind) -> dict[str, Any]:
    """The option that names the picture whose style is asked for, where there is one."""
    return {"style": properties.picture.name} if kind.uses_picture and properties.picture is not None else {}


def with_style(inputs: Mapping[str, np.ndarray], options: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """A job's inputs with the picture whose style its options name. Raises BadRequest when it cannot be used."""
    image = bpy.data.images.get(str(options.get("style", "")))
    style = {} if image is None else {"style_picture": pictures.as_input(pictures.file_bytes(image))}
    return {**inputs, **style}


def aliases(kind: str) -> Mapping[str, str]:
    """What the fields of a kind's spec are called in `scene.maquette`, where that is something else."""
    return next((one.aliases for one in KINDS if one.kind == kind), {})


def noted(kind: str, inputs: Mapping[str, np.ndarray], options: Mapping[str, Any]) -> dict[str, Any]:
    """A job's options with what tells later whether the mesh is still the one that went in."""
    keeps = next((one.keeps for one in KINDS if one.kind == kind), ())
    mesh = {"mesh": meshes.fingerprint(inputs["faces"])} if "faces" in keeps and "faces" in inputs else {}
    return {**options, **mesh}


def completed(kind: str, outcome: Any, inputs: Mapping[str, np.ndarray]) -> Any:
    """A result with those of its inputs that it lies on, so that it can be brought into any file later."""
    keeps = next((one.keeps for one in KINDS if one.kind == kind), ())
    there = {name: inputs[name] for name in keeps if name in inputs and name not in outcome.arrays}
    return wire.updates.Result({**there, **outcome.arrays}, outcome.report) if there else outcome
