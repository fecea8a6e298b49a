# SPDX-License-Identifier: GPL-3.0-or-later
"""A texel that an edge cuts is painted from the pixels that show its visible part."""

import numpy as np
import torch

from backend.geometry.bake import texel_map
from backend.geometry.mesh import Mesh, face_normals
from backend.render.cameras import orbit_degrees
from backend.render.raster import WarpRasteriser
from backend.texturing.glimpses import add_glimpses
from backend.texturing.projection import Projector

SIZE = 32
FAR = 0.2  # metres from the wall in front to the one behind


def _two_walls(edge):
    """A wall behind, 1.6 wide, whose texels are 1.6 / 24 wide; one in front that hides it from x = `edge` on."""
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    behind = np.insert(square * 1.6 - 0.8, 1, 0.0, 1).astype(np.float32)
    front = np.insert(square * 1.6 - 0.8, 1, -FAR, 1).astype(np.float32)
    front[:, 0] = np.where(front[:, 0] > 0, 0.8, edge)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    # Charts begin and end on whole texels: 24 of them behind, 4 in front.
    back_uv = square * 24 / SIZE + np.array([1, 4]) / SIZE
    front_uv = square * np.array([4, 24]) / SIZE + np.array([27, 4]) / SIZE
    uvs = np.concatenate([back_uv[faces.ravel()], front_uv[faces.ravel()]]).astype(np.float32)
    return Mesh(np.concatenate([behind, front]), np.concatenate([faces, faces + 4]), uvs)


def test_a_texel_cut_by_an_edge_is_painted_by_the_pixels_that_show_it():
    # On the line of sight from x = 0, y = -3 the edge hides what is behind x * 3 / (3 - FAR): 0.4 of a texel is left
    # over of the column from 0.2667 to 0.3333, so its middle at 0.3 is hidden.
    width = 1.6 / 24
    visible = 16 * width - 0.8 + 0.4 * width
    mesh = _two_walls(visible * (3 - FAR) / 3)
    texels, camera = texel_map(mesh, SIZE), orbit_degrees([0], 0.0, 512)
    flat = face_normals(mesh.vertices, mesh.faces)[texels.face].astype(np.float32)
    projector = Projector(texels.points, texels.normals, flat, torch.from_numpy(mesh.vertices),
                          torch.from_numpy(mesh.faces), camera, WarpRasteriser())
    pictures = torch.zeros(1, 4, 512, 512)
    pictures[:, 2:] = 1.0
    found = projector.project(pictures, 8.0)
    both = add_glimpses(found, projector, mesh, texels, pictures, 8.0)

    column = texels.columns - 1
    behind = texels.inside & (texels.face < 2)
    assert not found.seen[behind & (column == 16)].any() and both.seen[behind & (column == 16)].all()
    assert found.seen[behind & (column < 16)].all() and not both.seen[behind & (column > 16)].any()
    np.testing.assert_allclose(both.values[both.seen], [[0, 0, 1]] * both.seen.sum(), atol=1e-5)
    assert np.array_equal(both.values[found.seen], found.values[found.seen])  # what was seen stays
