# SPDX-License-Identifier: GPL-3.0-or-later
"""Maquette for scripts, in `blender -b` and `import bpy` as in the program. The panel goes through here too.

    from bl_ext.user_default import maquette   # the extension; `import maquette` for the legacy add-on
    handle = maquette.generate("a red mushroom with white spots", seed=7)
    mushroom = handle.wait(timeout=600)        # the object, standing in the scene
    print(handle.report["seed"], mushroom.dimensions)

`wait` blocks and drives the link itself, because Blender's timers never fire in the background. In the program a
script can leave that to the add-on's timer, go on, and look at `handle.done` later, or be called back:

    maquette.generate("a blue chair").on_end(lambda handle: print(handle.object_name, handle.error))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import identities, kinds, link, recall, wire
from .apply.placement import IDENTITY, Place, take_place
from .capture import meshes
from .handle import Handle
from .seeds import draw_seed


def generate(
    prompt: str,
    *,
    negative_prompt: str = "",
    preset: str = "draft",
    prior: str = "",
    seed: int | None = None,
    size_metres: float = 1.0,
    texture_size: int = 0,
    effort: float = 1.0,
    name: str = "",
    place: str | Sequence[float] = "ORIGIN",
) -> Handle:
    """Ask for a textured mesh made from a sentence; returns at once.

    place: "CURSOR", "ORIGIN", "EMPTY" (the selected one), or where the middle of its base stands as x, y, z in metres.
    The other arguments are those of `protocol.messages.TextTo3DSpec`, where their ranges are. Raises BadRequest for a
    wrong argument, and MaquetteError when there is no way to a hub.
    """
    spec = wire.messages.TextTo3DSpec(
        prompt=prompt, negative_prompt=negative_prompt, preset=preset, prior=prior, seed=seed,
        size_metres=size_metres, texture_size=texture_size, effort=effort, name=name,
    )
    return submit(spec, place)


def variations(prompt: str, *, count: int = 4, place: str | Sequence[float] = "ORIGIN", **settings: Any) -> Handle:
    """Ask for several meshes made from one sentence, with seeds one after another; returns at once.

    The handle's object is the first; `apply.variations.siblings` of it are the others. settings: as of `generate`.
    """
    spec = wire.specs.spec_from_map("variations", {"prompt": prompt, "count": count, **settings})
    return submit(spec, place)


def texture(item: Any, prompt: str, **settings: Any) -> Handle:
    """Ask for a new texture for an object (`bpy.types.Object`) from a sentence; returns at once.

    settings: those of `protocol.specs.TextureSpec`; with rig="cameras" the panel's choice of cameras.
    """
    return _work_on("texture", item, {"prompt": prompt, **settings}, {})


def edit(item: Any, prompt: str, *, reshape: float = 0.5, hide_original: bool = False, **settings: Any) -> Handle:
    """Ask for an object to become what a new sentence says; returns at once. The result stands beside it, or with
    `hide_original` in its place.

    reshape: 0 for the texture only, 1 for any shape. settings: those of `protocol.specs.EditSpec`.
    """
    return _work_on("edit", item, {"prompt": prompt, "reshape": reshape, **settings}, {"hide_original": hide_original})


def inpaint(
    item: Any, prompt: str = "", *, verb: str = "", faces: Sequence[int] | np.ndarray | None = None,
    vertex_group: str = "", mask: Any = None, **settings: Any,
) -> Handle:
    """Ask for a part of an object's texture (`bpy.types.Object`), or of a picture (`bpy.types.Image`), anew; returns at
    once.

    verb: "remove", "fill" or "replace"; by default "fill" with a prompt and "remove" without. What is selected: faces
    (numbers of polygons, or a bool for each), a vertex group, or a mask (`bpy.types.Image`, white is selected); by
    default the faces selected in Edit Mode. A picture needs a mask. settings: those of `protocol.specs.InpaintSpec`.
    """
    from .capture import inpainting

    values = {"verb": verb or ("fill" if prompt.strip() else "remove"), "prompt": prompt, **settings}
    if isinstance(item, bpy.types.Image):
        if mask is None:
            raise wire.errors.BadRequest("A picture needs a mask.", path="mask", hint="Give an image as mask=...")
        return _ask("inpaint", item.name, values, inpainting.picture_options(item, mask))
    source = "MASK" if mask is not None else "GROUP" if vertex_group else "FACES"
    meshes.check(item)
    named = mask.name if mask is not None else ""
    return _ask("inpaint", item.name, values, inpainting.options_of(item.name, source, vertex_group, named, faces))


def remove(
    item: Any, *, faces: Sequence[int] | np.ndarray | None = None, vertex_group: str = "", **settings: Any
) -> Handle:
    """Ask for a piece of an object to go and for the surface to close over it; returns at once.

    faces, vertex_group: as of `inpaint`. settings: those of `protocol.specs.RemoveSpec`.
    """
    from .capture import removing

    meshes.check(item)
    options = removing.options_of(item.name, "GROUP" if vertex_group else "FACES", vertex_group, faces)
    return _ask("remove", item.name, settings, options)


def segment(
    item: Any, clicks: Sequence[tuple[float, float, bool]], *, camera: Any = None, by: str = "auto", add: bool = False
) -> Handle:
    """Ask what a few clicks mean: faces of an object, which are then selected, or a mask of a picture; returns at once.

    clicks: x, y in pixels from the top left corner, and whether that is inside. For an object they lie in what `camera`
    (a camera object, the scene's by default) renders; for a `bpy.types.Image` in the image. by: as of
    `protocol.specs.SegmentSpec`. add: to what is selected already.
    """
    from .capture import clicks as clicked

    points = [(float(x), float(y), bool(inside)) for x, y, inside in clicks]
    if isinstance(item, bpy.types.Image):
        spec, inputs = clicked.of_picture(item, points)
        return submit(spec, "ORIGIN", inputs, target=item.name, options={"picture": item.name})
    spec, inputs = clicked.of_mesh(item, clicked.through(bpy.context.scene, camera), points, by)
    return submit(spec, "ORIGIN", inputs, target=item.name, options={"add": add})


def learn(word: str, pictures: Sequence[str | Path], *, noun: str = "", **settings: Any) -> Handle:
    """Ask for a word to be learned from 3 to 8 picture files; returns at once. `wait` gives the word back.

    From then on every prompt of this user that says the word means it. noun: what kind of thing it is. settings: those
    of `protocol.specs.LearnSpec`.
    """
    return _ask("learn", "", {"word": word, "noun": noun, **settings}, {"pictures": [str(one) for one in pictures]})


def learned() -> list[str]:
    """The words that were learned."""
    return [one.word for one in identities.mine().all()]


def rig(item: Any, **settings: Any) -> Handle:
    """Ask for a skeleton that moves an object; returns at once. `wait` gives the armature.

    settings: those of `protocol.specs.RigSpec`. Markers that were placed for the object go in.
    """
    from .capture import skeleton

    meshes.check(item)
    options = skeleton.rig_options(bpy.context, bpy.context.scene.maquette, item.name, None)
    return _ask("rig", item.name, settings, options)


def animate(item: Any, prompt: str, **settings: Any) -> Handle:
    """Ask for a motion of an armature (`bpy.types.Object`) from a sentence; returns at once. `wait` gives the armature.

    settings: those of `protocol.specs.AnimateSpec`; fps is the scene's by default.
    """
    from .capture import figure, motion

    scene = bpy.context.scene
    options = motion.options(bpy.context, scene.maquette, item.name, None)
    values = {"prompt": prompt, "fps": round(figure.frames_a_second(scene), 6), **settings}
    return _ask("animate", item.name, values, options)


def avatar(prompt: str, *, place: str | Sequence[float] = "ORIGIN", **settings: Any) -> Handle:
    """Ask for a figure made from a sentence; returns at once. Raises UnknownKind where this version cannot do it."""
    _entry("avatar", "make avatars")
    return submit(wire.specs.spec_from_map("avatar", {"prompt": prompt, **settings}), place)


def _work_on(kind: str, item: Any, values: dict[str, Any], options: dict[str, Any]) -> Handle:
    meshes.check(item)
    return _ask(kind, item.name, values, options)


def _ask(kind: str, target: str, values: dict[str, Any], options: dict[str, Any]) -> Handle:
    """A job of this kind from plain values."""
    entry = _entry(kind, f"do work of the kind {kind}")
    if target and kind not in ("edit", "animate"):  # what they make is new, and has a name of its own
        values = {"name": target[:63], **values}
    spec = wire.specs.spec_from_map(kind, values)
    inputs = entry.inputs(bpy.context, bpy.context.scene.maquette, target, spec, options)
    place = entry.place(target, options) if entry.place is not None else "ORIGIN"
    return submit(spec, place, inputs, target=target, options=options)


def ask(kind: kinds.Kind, context: Any) -> Handle:
    """Ask for what the panel's settings say."""
    properties = context.scene.maquette
    target, spec = kind.target(context, properties), kind.spec(context, properties)
    options = kind.options(context, properties, target, spec) | kinds.style_of(properties, kind)
    inputs = kinds.with_style(kind.inputs(context, properties, target, spec, options), options)
    place: str | Place = "ORIGIN" if target or "place" not in kind.settings else properties.place
    if kind.place is not None:
        place = kind.place(target, options)
    return submit(spec, place, inputs, target=target, options=options, collection=properties.collection)


def _entry(kind: str, what: str) -> kinds.Kind:
    known = {one.kind: one for one in kinds.KINDS if one.kind in wire.specs.KINDS}
    if kind not in known:
        raise wire.errors.UnknownKind(
            f"This version of Maquette cannot {what}.", path="kind",
            hint=f"It can do: {', '.join(known)}. A newer add-on may do more.",
        )
    return known[kind]


def batch_file(file: str, **options: Any) -> int:
    """Run a manifest in a Blender without a window and give the exit code, see `batch.command.run` for the options."""
    from .batch import command

    return int(command.run(Path(file), **options))


def submit(
    spec: Any,
    place: str | Sequence[float] | Place = "ORIGIN",
    inputs: Mapping[str, np.ndarray] | None = None,
    *,
    target: str = "",
    options: Mapping[str, Any] | None = None,
    collection: str = "MAQUETTE",
) -> Handle:
    """Ask for the job that a spec describes; everything else here and the panel end in this.

    inputs: arrays that this kind of job takes. target: name of the object to work on, for kinds that change one.
    options: what its way back into the scene needs to know, plain values. collection: "MAQUETTE" or "ACTIVE", where a
    new object is filed.
    """
    return Handle(link.current().submit(spec, _place(place, collection), inputs, target, options).id)


def again(job_id: str, *, new_seed: bool = False) -> Handle:
    """Ask for a job of the history once more, with its own seed or a new one."""
    return Handle(recall.again(link.current(), job_id, draw_seed() if new_seed else None).id)


def bring(job_id: str, place: str | Sequence[float] | None = None) -> Handle:
    """Bring a result of the history into the open file, where it was asked for or at another place."""
    return Handle(recall.bring(link.current(), job_id, None if place is None else _place(place)).id)


def take_up() -> list[Handle]:
    """Mind the jobs that an earlier Blender left running. The program does this by itself when it opens."""
    return [Handle(job.id) for job in link.current().take_up()]


def _place(place: str | Sequence[float] | Place, collection: str = "MAQUETTE") -> Place:
    if isinstance(place, Place):
        return place
    try:
        if isinstance(place, str):
            return take_place(bpy.context, place, collection)
        x, y, z = (float(value) for value in place)
    except (TypeError, ValueError) as error:
        raise wire.errors.BadRequest(f"place is wrong: {error}.", path="place") from error
    matrix = list(IDENTITY)
    matrix[3], matrix[7], matrix[11] = x, y, z
    return Place(bpy.context.scene.name, tuple(matrix))
