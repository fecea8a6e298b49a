# SPDX-License-Identifier: GPL-3.0-or-later
"""Segmenting a mesh: whole objects by their ids, pieces of a surface by creases and colours, and masks of pictures
lifted to faces.

A piece is found by a random walker over the faces: it hardly crosses concave creases (where people see one part end
and the next begin, Hoffman and Richards 1984) and borders of colours. Where nobody says what is not meant, the faces
farthest from the clicks do. A lifted mask is a vote: each pixel speaks for the face that it shows, the majority
decides, and faces that no camera saw follow the nearest that was seen, on the surface.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.sparse.linalg import cg

from backend.geometry.mesh import Mesh, edge_faces, face_areas, face_components, face_normals
from protocol.errors import BadRequest

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CONCAVE, CONVEX = 9.0, 0.8  # how much a concave and a convex radian hold the walker up
COLOURED = 25.0  # the same for a difference of colours of 1
FARTHEST_PLAINLY, FARTHEST_BEYOND = 0.25, 0.1  # shares of the area that count as not meant when nothing else does
REAL = 0.4  # a border that is crossed more easily on average is none
CREASE = 0.2  # radians; what is less concave is roughness
BEHIND = 0.3  # of the root of the area: a concave radian, or a difference of colours of 1, is as far away as that
LEAST = 1e-4  # weight of the worst crossing


def whole_objects(objects: Ints, hit: Ints, inside: Bools) -> Bools:
    """(F,) the faces of all objects (F,) that were clicked as meant. hit (N,): the face under each click, -1 none."""
    meant = np.unique(objects[hit[inside]])
    refused = np.unique(objects[hit[~inside & (hit >= 0)]])
    both = np.intersect1d(meant, refused)
    if len(both):
        raise BadRequest("Two clicks on the same object say both that it is meant and that it is not.",
                         path="inputs.clicks", hint="Set `by` to surface to select a part of an object.")
    return np.isin(objects, meant)


def loose_parts(mesh: Mesh) -> Ints:
    """(F,) which connected part each face belongs to."""
    return face_components(mesh.faces, len(mesh.vertices))[1].astype(np.int64)


def piece_of_surface(mesh: Mesh, hit: Ints, inside: Bools, colours: NDArray[np.floating] | None = None) -> Bools:
    """(F,) the piece of the surface around the faces that were clicked as meant.

    hit (N,): the face under each click, -1 for none; colours (F, 3) in 0..1 where they count too.
    """
    links, near, beyond = _crossings(mesh, colours)
    count = len(mesh.faces)
    part = connected_components(links, directed=False)[1]
    seeds, others = np.unique(hit[inside]), np.unique(hit[~inside & (hit >= 0)])
    if len(np.intersect1d(seeds, others)):
        raise BadRequest("Two clicks on the same face say both that it is meant and that it is not.",
                         path="inputs.clicks")
    within = np.isin(part, part[seeds])
    if np.isin(part[others], part[seeds]).any():
        chosen = _walked(links, seeds, others, within) > 0.5
    else:
        chosen = within
        area = face_areas(mesh.vertices, mesh.faces) * within
        # Plain distance finds pieces that are a small part of the whole, distance over creases those that are most of
        # it; the first whose border is a real one is taken.
        for plain, share in ((True, FARTHEST_PLAINLY), (False, FARTHEST_BEYOND)):
            away = dijkstra(near if plain else beyond, directed=False, indices=seeds, min_only=True)
            order = np.argsort(np.where(within, -away, np.inf), kind="stable")
            farthest = order[(np.cumsum(area[order]) <= share * area.sum()) & within[order]]
            chosen = _walked(links, seeds, np.setdiff1d(farthest, seeds), within) > 0.5
            if _ease(links, chosen & within) < REAL:
                break
    chosen = chosen & within
    # Only what hangs together with a click.
    left = links.tocoo()
    same = chosen[left.row] & chosen[left.col]
    pieces = connected_components(
        coo_matrix((np.ones(int(same.sum())), (left.row[same], left.col[same])), shape=(count, count)), directed=False
    )[1]
    result: Bools = chosen & np.isin(pieces, pieces[seeds])
    return result


def _walked(links: csr_matrix, seeds: Ints, others: Ints, within: Bools) -> Floats:
    """(F,) how surely a walker from each face meets one of `seeds` before one of `others`."""
    share = np.zeros(len(within))
    share[seeds] = 1.0
    held = ~within
    held[seeds] = held[others] = True
    free = np.flatnonzero(~held)
    if len(free):
        system = (diags(np.asarray(links.sum(1)).ravel() + 1e-9) - links).tocsr()[free]
        inner = system[:, free]
        right = -(system[:, held] @ share[held])
        share[free], _ = cg(inner, right, rtol=1e-6, maxiter=3000, M=diags(1.0 / inner.diagonal()))
    return share


def _ease(links: csr_matrix, chosen: Bools) -> float:
    """How easily a walker leaves what is chosen, on average over its border; infinite without one."""
    crossing = links.tocoo()
    ways = crossing.data[chosen[crossing.row] & ~chosen[crossing.col]]
    return float(ways.mean()) if len(ways) else np.inf


def lifted(mesh: Mesh, shown: NDArray[np.integer], masks: NDArray[np.bool_]) -> Bools:
    """(F,) faces by majority: shown (B, H, W) the face that each pixel of B pictures shows, -1 none; masks (B, H, W).

    Faces that no picture shows follow the nearest shown one over the surface. Raises BadRequest when none is shown.
    """
    count = len(mesh.faces)
    seen = shown >= 0
    if not seen.any():
        raise BadRequest("The camera sees nothing of the mesh.", path="inputs.cameras",
                         hint="Point the camera at the object.")
    votes = np.bincount(shown[seen], minlength=count)
    agreed = np.bincount(shown[seen & masks], minlength=count)
    known = votes > 0
    chosen = 2 * agreed > votes
    if known.all():
        return chosen
    _, lengths, _ = _crossings(mesh, None)
    _, _, source = dijkstra(lengths, directed=False, indices=np.flatnonzero(known), min_only=True,
                            return_predecessors=True)
    reached = ~known & (source >= 0)
    return chosen | (reached & chosen[np.maximum(source, 0)])


def _crossings(mesh: Mesh, colours: NDArray[np.floating] | None) -> tuple[csr_matrix, csr_matrix, csr_matrix]:
    """(F, F) each: how easily a walker crosses between neighbours, how far they are apart, how far when what parts
    them counts as a way too."""
    count = len(mesh.faces)
    pairs, _, corners = edge_faces(mesh.faces, len(mesh.vertices))
    a, b = pairs.T
    places = mesh.vertices[mesh.faces].astype(np.float64)
    middle, normal = places.mean(1), face_normals(mesh.vertices, mesh.faces)
    start = mesh.vertices[mesh.faces.ravel()[corners[:, 0]]].astype(np.float64)
    following = corners[:, 0] // 3 * 3 + (corners[:, 0] % 3 + 1) % 3
    length = np.linalg.norm(mesh.vertices[mesh.faces.ravel()[following]] - start, axis=1)
    angle = np.arccos(np.clip((normal[a] * normal[b]).sum(1), -1.0, 1.0))
    # Concave: the neighbour's middle lies in front of a face's plane.
    concave = ((middle[b] - middle[a]) * normal[a]).sum(1) > 0
    hindered = angle * np.where(concave, CONCAVE, CONVEX)
    parting = np.where(concave, np.maximum(angle - CREASE, 0.0), 0.0)
    if colours is not None:
        change = np.linalg.norm(colours[a] - colours[b], axis=1)
        hindered, parting = hindered + COLOURED * change, parting + change
    apart = np.linalg.norm(middle[a] - middle[b], axis=1)
    mean = max(float(apart.mean()) if len(apart) else 1.0, 1e-12)
    easy = (np.exp(-hindered) + LEAST) * length / np.maximum(apart, 1e-3 * mean)
    far = apart + BEHIND * np.sqrt(face_areas(mesh.vertices, mesh.faces).sum()) * parting + 1e-3 * mean

    def symmetric(values: Floats) -> csr_matrix:
        matrix = coo_matrix((values, (a, b)), shape=(count, count)).tocsr()
        return matrix + matrix.T

    return symmetric(easy), symmetric(apart * (1.0 + hindered) + 1e-3 * mean), symmetric(far)
