# SPDX-License-Identifier: GPL-3.0-or-later
"""The nvdiffrast backend against a stand-in that follows nvdiffrast's documented conventions on a CPU.

nvdiffrast itself needs CUDA. Its conventions: clip positions in, bottom row first, per pixel two barycentrics, z / w
and the triangle's number plus one.
"""

import sys
import types

import pytest
import torch
import trimesh

from backend.render import raster
from backend.render.cameras import orbit_degrees


def rasterize(context, positions, triangles, resolution):
    """Brute force over triangles, in clip space (Olano and Greer 1997)."""
    height, width = resolution
    x = (torch.arange(width) + 0.5) * 2 / width - 1
    y = (torch.arange(height) + 0.5) * 2 / height - 1
    pixel = torch.stack([x[None].expand(height, -1), y[:, None].expand(-1, width), torch.ones(height, width)], -1)
    out = torch.zeros((len(positions), height, width, 4))
    for view, corners in enumerate(positions[:, triangles.long()]):
        nearest = torch.full((height, width), torch.inf)
        for number, corner in enumerate(corners):
            matrix = corner[:, [0, 1, 3]].T
            if abs(float(torch.linalg.det(matrix))) < 1e-12:
                continue
            weight = torch.linalg.solve(matrix, pixel.reshape(-1, 3).T).T.view(height, width, 3)
            inside = (weight >= 0).all(-1)
            weight = weight / weight.sum(-1, keepdim=True)
            depth = (weight @ corner[:, 2]) / (weight @ corner[:, 3])
            inside &= (depth < nearest) & (depth > -1)
            nearest = torch.where(inside, depth, nearest)
            here = torch.cat([weight[..., :2], depth[..., None], torch.full_like(depth, number + 1)[..., None]], -1)
            out[view] = torch.where(inside[..., None], here, out[view])
    return out, None


def antialias(colour, raster_output, positions, triangles):
    """Leaves the picture alone after checking that all inputs describe one picture in nvdiffrast's conventions."""
    again, _ = rasterize(None, positions.detach(), triangles, raster_output.shape[1:3])
    assert torch.equal(again[..., 3], raster_output[..., 3])
    torch.testing.assert_close(again[..., :3], raster_output[..., :3], atol=1e-3, rtol=1e-3)
    assert colour.is_contiguous() and raster_output.is_contiguous()
    torch.testing.assert_close(colour[..., 0] > 0, raster_output[..., 3] > 0)
    return colour * 0.5 + positions.sum() * 0


@pytest.fixture
def stand_in(monkeypatch):
    package, module = types.ModuleType("nvdiffrast"), types.ModuleType("nvdiffrast.torch")
    module.RasterizeCudaContext = lambda device: object()
    module.rasterize, module.antialias = rasterize, antialias
    package.torch = module
    monkeypatch.setitem(sys.modules, "nvdiffrast", package)
    monkeypatch.setitem(sys.modules, "nvdiffrast.torch", module)


def test_it_sees_what_our_own_backend_sees(stand_in):
    shape = trimesh.creation.torus(0.5, 0.2, major_sections=10, minor_sections=6)
    vertices = torch.tensor(shape.vertices, dtype=torch.float32, requires_grad=True)
    faces = torch.tensor(shape.faces, dtype=torch.int32)
    cameras = orbit_degrees([30, 100], [20.0, -35.0], size=(24, 16))
    theirs = raster.NvdiffrastRasteriser(torch.device("cpu"))
    ours = raster.WarpRasteriser().rasterise(vertices, faces, cameras)
    fragments = theirs.rasterise(vertices, faces, cameras)
    assert float((ours.face == fragments.face).float().mean()) > 0.995
    assert 0.1 < float(fragments.mask.float().mean()) < 0.6
    same = ours.face == fragments.face
    torch.testing.assert_close(ours.barycentric[same], fragments.barycentric[same])
    places = theirs.interpolate(vertices, faces, fragments)
    image = torch.cat([fragments.mask[..., None].float(), places], -1)
    smooth = theirs.antialias(image, fragments, vertices, faces, cameras)
    torch.testing.assert_close(smooth, image * 0.5)
    smooth.sum().backward()
    assert float(vertices.grad.abs().sum()) > 0


def test_it_is_chosen_for_cuda_where_it_is_installed(stand_in, monkeypatch):
    monkeypatch.setattr(raster.importlib.util, "find_spec", lambda name: object() if name == "nvdiffrast" else None)
    assert isinstance(raster.choose_rasteriser(torch.device("cuda")), raster.NvdiffrastRasteriser)
    assert isinstance(raster.choose_rasteriser(torch.device("cpu")), raster.WarpRasteriser)
    monkeypatch.setattr(raster.importlib.util, "find_spec", lambda name: None)
    assert isinstance(raster.choose_rasteriser(torch.device("cuda")), raster.WarpRasteriser)
