# SPDX-License-Identifier: GPL-3.0-or-later
"""Clicks become a mask of a picture or a selection of a mesh's faces: read, segment, lift, deliver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.geometry.mesh import Mesh
from backend.jobs.context import JobContext
from backend.jobs.previews import png
from backend.jobs.prompt import Notes
from backend.jobs.results import MeshResult, versions
from backend.jobs.segment_input import SegmentInput, read_segment
from backend.jobs.stopwatch import Stopwatch
from backend.render.raster import choose_rasteriser
from backend.segmentation.base import Clicks, Segmenter, grown
from backend.segmentation.choice import segmenter_of
from backend.segmentation.sight import Sight, next_clicks
from backend.segmentation.surface import lifted, loose_parts, piece_of_surface, whole_objects
from protocol.errors import BadRequest
from protocol.specs import SegmentSpec

PLAN = {"look": 0.3, "segment": 1.0, "deliver": 0.1}
Bools = NDArray[np.bool_]


def segment(spec: SegmentSpec, context: JobContext) -> MeshResult:
    """The whole recipe. Raises MaquetteError for the user's eyes.

    The result's arrays: mask (a PNG), of a mesh also selected (F,) uint8, and a thumbnail.
    """
    watch = Stopwatch(context, PLAN)
    notes = Notes(context)
    with watch.stage("look", "looking at what was clicked"):
        given = read_segment(spec, context.inputs)
    with watch.stage("segment", "finding what is meant") as tell:
        if given.mesh is None:
            picture, clicks = given.picture, given.clicks
            assert picture is not None and clicks is not None
            segmenter = _segmenter(spec, context)
            mask, selected, facts = segmenter.segment(picture, clicks), None, {"segmenter": segmenter.name}
        else:
            mask, selected, facts = _of_mesh(spec, given, given.mesh, context, notes, tell)
    with watch.stage("deliver", "making the mask"):
        mask = grown(mask, spec.grow)
        if selected is None and not mask.any():
            raise BadRequest("Nothing is left of what was found.", path="grow" if spec.grow < 0 else "inputs.clicks",
                             hint="Click closer to the middle of what you mean, or set `grow` to 0.")
        if mask.all():
            notes.add("The whole picture was taken for what is meant; click once where it is not.")
        arrays: dict[str, NDArray[Any]] = {"mask": png(_white(mask)), "thumbnail": png(_small(mask))}
        if selected is not None:
            arrays["selected"] = selected.astype(np.uint8)
            if selected.all():
                notes.add("Every face was selected; click once where it is not what you mean.")
    report = {
        **facts,
        "clicks": 0 if given.clicks is None else len(given.clicks.inside),
        "share": round(float(mask.mean()), 4),
        "versions": versions(),
        "device": str(context.device),
        "stages": [record.to_map() for record in watch.records],
        "warnings": notes.warnings,
    }
    if selected is not None:
        report["selected_faces"] = int(selected.sum())
    context.progress("done", 1.0, "finished", 0.0)
    return MeshResult(arrays, report)


def _of_mesh(
    spec: SegmentSpec, given: SegmentInput, mesh: Mesh, context: JobContext, notes: Notes,
    tell: Callable[[float, str], None],
) -> tuple[Bools, Bools, dict[str, Any]]:
    """(the mask as the first camera sees it, the faces, facts)."""
    assert given.cameras is not None
    sight = Sight(mesh, given.cameras.to(context.device), choose_rasteriser(context.device))
    if given.mask is not None:
        shown = sight.shown()[:1]
        chosen = lifted(mesh, shown, _fitted(given.mask, shown.shape[1:])[None])
        facts: dict[str, Any] = {"by": "mask"}
    else:
        clicks = given.clicks
        assert clicks is not None
        parts = loose_parts(mesh) if given.objects is None else given.objects
        by = spec.by if spec.by != "auto" else "object" if len(np.unique(parts)) > 1 else "surface"
        facts = {"by": by, "objects": len(np.unique(parts))}
        if by == "picture":
            chosen, more = _by_pictures(spec, given, clicks, sight, context, tell)
            facts |= more
        else:
            hit = sight.hit(clicks)
            _check_hits(hit, clicks)
            chosen = (
                whole_objects(parts, hit, clicks.inside) if by == "object"
                else piece_of_surface(mesh, hit, clicks.inside, _face_colours(mesh, given.texture))
            )
        shown = sight.shown()[:1]
    if not chosen.any():
        raise BadRequest("No face has most of its pixels in the mask.", path="inputs.mask" if given.mask is not None
                         else "inputs.clicks", hint="Come closer with the camera, or mark a larger part.")
    face = shown[0]
    mask = _fitted((face >= 0) & chosen[np.maximum(face, 0)], (given.height, given.width))
    if not mask.any():
        notes.add("The faces that were selected are too small to be seen from the first camera.")
    return mask, chosen, facts


def _by_pictures(
    spec: SegmentSpec, given: SegmentInput, clicks: Clicks, sight: Sight, context: JobContext,
    tell: Callable[[float, str], None],
) -> tuple[Bools, dict[str, Any]]:
    """(faces, facts): the first camera's picture is segmented by the clicks, the others by where its answer lies."""
    segmenter = _segmenter(spec, context)
    shown, pictures = sight.shown(), sight.pictures(given.texture)
    size = shown.shape[1:]
    if given.picture is None:
        factor = np.array([size[1] / given.width, size[0] / given.height])
        masks = [segmenter.segment(pictures[0], Clicks(clicks.places * factor, clicks.inside))]
    else:
        masks = [_fitted(segmenter.segment(given.picture, clicks), size)]
    views = [0]
    for number in range(1, len(shown)):
        tell(number / len(shown), f"view {number + 1} of {len(shown)}")
        known = np.zeros(len(sight.mesh.faces), bool)
        known[shown[views][shown[views] >= 0]] = True
        chosen = lifted(sight.mesh, shown[views], np.stack(masks))
        where = next_clicks(shown[number], chosen, known)
        if where is not None:
            masks.append(segmenter.segment(pictures[number], where))
            views.append(number)
    chosen = lifted(sight.mesh, shown[views], np.stack(masks))
    return chosen, {"segmenter": segmenter.name, "views": len(views)}


def _segmenter(spec: SegmentSpec, context: JobContext) -> Segmenter:
    """From the worker's cache, or loaded."""
    key = f"segmenter {spec.segmenter} {context.device}"
    if key not in context.cache:
        context.cache[key] = segmenter_of(spec.segmenter, context.device)
    segmenter: Segmenter = context.cache[key]
    return segmenter


def _check_hits(hit: NDArray[np.int64], clicks: Clicks) -> None:
    missed = np.flatnonzero((hit < 0) & clicks.inside)
    if len(missed):
        x, y = clicks.places[missed[0]]
        raise BadRequest(f"Click {missed[0] + 1} at ({x:g}, {y:g}) hits nothing of the mesh.", path="inputs.clicks",
                         hint="Click onto the object; what is hidden by another object must go in with it.")


def _face_colours(mesh: Mesh, texture: NDArray[np.uint8] | None) -> NDArray[np.float64] | None:
    """(F, 3) in 0..1, the texture in the middle of each face."""
    if texture is None or mesh.uvs is None:
        return None
    height, width = texture.shape[:2]
    middle = np.mod(mesh.uvs.reshape(-1, 3, 2).mean(1), 1.0)
    column = np.minimum((middle[:, 0] * width).astype(int), width - 1)
    row = np.minimum(((1.0 - middle[:, 1]) * height).astype(int), height - 1)
    return texture[row, column] / 255.0


def _fitted(mask: Bools, size: tuple[int, ...]) -> Bools:
    """The mask at another size (height, width)."""
    if mask.shape == size:
        return mask
    return np.asarray(Image.fromarray(mask).resize((size[1], size[0]), Image.Resampling.NEAREST))


def _small(mask: Bools) -> NDArray[np.uint8]:
    scale = 256 / max(mask.shape)
    size = (max(1, round(mask.shape[0] * scale)), max(1, round(mask.shape[1] * scale)))
    return _white(_fitted(mask, size))


def _white(mask: Bools) -> NDArray[np.uint8]:
    return np.where(mask, np.uint8(255), np.uint8(0))
