# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes to and from files: GLB with a PBR material and an embedded PNG; OBJ and PLY; whatever trimesh reads.

Inside Maquette Z is up and units are metres. glTF is Y up, so writing turns the object and reading turns it back; OBJ
and PLY have no rule and are written Z up.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image
from trimesh.visual.material import PBRMaterial

from backend.geometry.mesh import Mesh, vertex_normals
from protocol.errors import BadRequest

READABLE = (".glb", ".gltf", ".obj", ".ply", ".stl", ".off")


@dataclass(frozen=True)
class Material:
    """One PBR material: roughness and metallic in 0..1 multiply nothing but themselves; colour comes from the
    texture.
    """

    name: str = "Maquette"
    roughness: float = 0.6
    metallic: float = 0.0


def png_bytes(picture: NDArray[np.uint8]) -> bytes:
    """(H, W, 3 or 4) uint8 as PNG, with settings that do not depend on the time or the machine."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="PNG", compress_level=6)
    return stream.getvalue()


def seam_split(mesh: Mesh) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """(source (N,) vertex of each split vertex, faces (F, 3) of split vertices, uvs (N, 2)): what formats with one UV
    a vertex need. Corners with the same vertex and the same UV share one.
    """
    if mesh.uvs is None:
        raise ValueError("this mesh has no UVs")
    corner = mesh.faces.ravel().astype(np.int64)
    packed = mesh.uvs.view(np.uint32).astype(np.uint64)
    key = np.stack((corner.astype(np.uint64), packed[:, 0] << np.uint64(32) | packed[:, 1]), 1)
    _, first, inverse = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return corner[first], inverse.reshape(-1, 3).astype(np.int64), mesh.uvs[first]


def write_mesh(
    path: str | os.PathLike[str],
    mesh: Mesh,
    base_colour: NDArray[np.uint8] | None = None,
    material: Material | None = None,
) -> Path:
    """Write GLB, OBJ or PLY by the name's ending; the file appears whole or not at all.

    base_colour: (H, W, 3) uint8 sRGB, top row first; needs UVs. Vertex colours are written where there is no texture.
    """
    target = Path(path)
    ending = target.suffix.lower()
    if ending not in (".glb", ".obj", ".ply"):
        raise BadRequest(
            f"Meshes are written as .glb, .obj or .ply, not {ending or 'without an ending'!r}.",
            path="out",
            hint="Change the file's ending.",
        )
    if mesh.uvs is not None and ending != ".ply":
        source, faces, uvs = seam_split(mesh)
        shaded = _pbr(base_colour, material or Material())
        visual = trimesh.visual.TextureVisuals(uv=uvs.astype(np.float64), material=shaded)
        if ending == ".obj":
            visual.material = shaded.to_simple()
    else:
        source, faces = np.arange(len(mesh.vertices)), mesh.faces.astype(np.int64)
        visual = None
    vertices, normals = mesh.vertices[source], vertex_normals(mesh.vertices, mesh.faces)[source]
    colours = None
    if visual is None and mesh.colours is not None:
        colours = np.rint(np.clip(mesh.colours, 0, 1) * 255).astype(np.uint8)
    if ending == ".glb":
        vertices, normals = _y_up(vertices), _y_up(normals)
    shape = trimesh.Trimesh(
        vertices, faces, vertex_normals=normals, visual=visual, vertex_colors=colours, process=False, validate=False
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    if ending == ".obj":
        text, extra = trimesh.exchange.obj.export_obj(shape, return_texture=True, mtl_name=target.stem + ".mtl")
        for name, data in extra.items():
            _write_whole(target.with_name(name), data)
        _write_whole(target, text.encode())
    else:
        data = shape.export(file_type=ending[1:], **({"include_normals": True} if ending == ".glb" else {}))
        _write_whole(target, data)
    return target


def _pbr(base_colour: NDArray[np.uint8] | None, material: Material) -> PBRMaterial:
    # Through PNG once, so that the exporter embeds these very bytes' format.
    picture = Image.open(io.BytesIO(png_bytes(base_colour))) if base_colour is not None else None
    return PBRMaterial(
        name=material.name,
        baseColorTexture=picture,
        roughnessFactor=float(material.roughness),
        metallicFactor=float(material.metallic),
    )


def _y_up(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Z up to Y up: (x, y, z) becomes (x, z, -y)."""
    return np.stack((points[:, 0], points[:, 2], -points[:, 1]), 1)


def _write_whole(path: Path, data: bytes) -> None:
    """A full disk or a crash leaves the old file or none, never half a new one."""
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_mesh(path: str | os.PathLike[str]) -> tuple[Mesh, NDArray[np.uint8] | None]:
    """(mesh, base colour picture (H, W, 3) uint8 or None) from a file; all parts of a scene in one mesh, Z up.

    Vertices at the very same place are one: formats with one UV or normal a vertex (GLB, OBJ, STL) tear every surface
    along its seams, and to what reads the geometry a torn surface is full of holes. UVs are the corners' own anyway.

    Raises BadRequest where the file is missing, unreadable, or has no triangles.
    """
    source = Path(path)
    if not source.is_file():
        raise BadRequest(f"There is no mesh file at {source}.", path="mesh", hint="Check the path.")
    if source.suffix.lower() not in READABLE:
        raise BadRequest(
            f"{source.name} is not a mesh format that can be read.",
            path="mesh",
            hint=f"Use one of {', '.join(READABLE)}. Blender makes a .glb of others (FBX, USD, Alembic).",
        )
    try:
        shape = trimesh.load(source, force="mesh", process=False)
        vertices, faces = np.asarray(shape.vertices, np.float32), np.asarray(shape.faces, np.int32).reshape(-1, 3)
    except Exception as failure:  # trimesh's readers raise whatever their parsers do; the file is at fault, not we
        raise BadRequest(f"{source.name} cannot be read as a mesh ({failure}).", path="mesh") from failure
    if not len(faces) or not np.isfinite(vertices).all():
        raise BadRequest(f"{source.name} has no usable triangles.", path="mesh")
    uv = getattr(shape.visual, "uv", None)
    picture = None
    if uv is not None and len(uv) == len(vertices):
        uvs = np.asarray(uv, np.float32)[faces.ravel()]
        found = getattr(shape.visual.material, "baseColorTexture", None) or getattr(
            shape.visual.material, "image", None
        )
        picture = None if found is None else np.asarray(found.convert("RGB"))
    else:
        uvs = None
    if source.suffix.lower() in (".glb", ".gltf"):
        vertices = np.stack((vertices[:, 0], -vertices[:, 2], vertices[:, 1]), 1)
    vertices, faces = _joined(vertices, faces)
    return Mesh(vertices, faces, uvs=uvs), picture


def _joined(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """One vertex for each place, in the order in which they come first; faces stay, in their order."""
    places = np.ascontiguousarray(vertices + np.float32(0.0)).view(np.uint32).astype(np.uint64)  # -0 is 0
    order = np.lexsort(places.T)
    new = np.ones(len(order), bool)
    new[1:] = (places[order[1:]] != places[order[:-1]]).any(1)
    group = np.empty(len(order), np.int64)
    group[order] = np.cumsum(new) - 1
    first = np.full(int(new.sum()), len(order))
    np.minimum.at(first, group, np.arange(len(order)))
    kept = np.argsort(first, kind="stable")
    rank = np.empty(len(kept), np.int64)
    rank[kept] = np.arange(len(kept))
    return vertices[first[kept]], rank[group][faces].astype(np.int32)
