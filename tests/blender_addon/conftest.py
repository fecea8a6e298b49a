# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender for the tests of the add-on: an empty scene for each test, user folders that are thrown away, and results
made of plain arrays in place of a worker's."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

# Blender reads this once, when it is loaded: without it the tests would read and write the user's own settings.
os.environ.setdefault("BLENDER_USER_RESOURCES", tempfile.mkdtemp(prefix="maquette-test-"))

import bpy  # noqa: E402


@pytest.fixture(autouse=True)
def empty_scene() -> Iterator[None]:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    yield


def png_bytes(pixels: np.ndarray) -> bytes:
    """pixels: (H, W, 3 or 4) uint8, top row first. A PNG written by hand: the writer is not under test."""
    height, width, channels = pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\x00" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, {3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def edges_of(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(E, 2) int32 edges and (3F,) int32 edge of each corner."""
    corners = np.stack([faces.ravel(), np.roll(faces, -1, axis=1).ravel()], axis=1)
    edges, corner_edges = np.unique(np.sort(corners, axis=1), axis=0, return_inverse=True)
    return edges.astype(np.int32), corner_edges.reshape(-1).astype(np.int32)


def ball(segments: int = 16, rings: int = 8) -> dict[str, np.ndarray]:
    """A closed ball of 1 m that stands on z = 0, with UVs and a small texture, as a result brings it."""
    latitude = np.linspace(0.0, np.pi, rings + 1)[1:-1]
    longitude = np.linspace(0.0, 2.0 * np.pi, segments, endpoint=False)
    middle = np.stack(
        [
            np.outer(np.sin(latitude), np.cos(longitude)),
            np.outer(np.sin(latitude), np.sin(longitude)),
            np.repeat(np.cos(latitude)[:, None], segments, axis=1),
        ],
        axis=-1,
    ).reshape(-1, 3)
    vertices = np.concatenate([[[0.0, 0.0, 1.0]], middle, [[0.0, 0.0, -1.0]]]) * 0.5 + [0.0, 0.0, 0.5]
    last = len(vertices) - 1
    faces = []
    for j in range(segments):
        k = (j + 1) % segments
        faces.append((0, 1 + j, 1 + k))
        for i in range(rings - 2):
            a, b = 1 + i * segments + j, 1 + i * segments + k
            faces += [(a, a + segments, b + segments), (a, b + segments, b)]
        bottom = 1 + (rings - 2) * segments
        faces.append((bottom + j, last, bottom + k))
    triangles = np.array(faces, dtype=np.int32)
    random = np.random.default_rng(7)
    edges, corner_edges = edges_of(triangles)
    picture = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return {
        "vertices": vertices.astype(np.float32),
        "faces": triangles,
        "uvs": random.random((triangles.size, 2)).astype(np.float32),
        "edges": edges,
        "corner_edges": corner_edges,
        "base_colour": np.frombuffer(png_bytes(picture), dtype=np.uint8),
    }


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    return ball()


@pytest.fixture
def make_ball() -> Callable[..., dict[str, np.ndarray]]:
    return ball


@pytest.fixture
def make_png() -> Callable[[np.ndarray], bytes]:
    return png_bytes


@pytest.fixture
def addon(tmp_path, monkeypatch) -> Iterator[None]:
    """The add-on, registered, with the data folder of its hub in a temporary place."""
    import blender_addon
    from blender_addon import compat

    def folder(package: str, name: str) -> Path:
        (tmp_path / "user" / name).mkdir(parents=True, exist_ok=True)
        return tmp_path / "user" / name

    monkeypatch.setattr(compat, "user_folder", folder)
    monkeypatch.setenv("MAQUETTE_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    blender_addon.register()
    yield
    blender_addon.unregister()


@pytest.fixture
def fake_hub(addon, tmp_path, arrays) -> Iterator[subprocess.Popen[bytes]]:
    """The scripted hub of `fake_hub.py`, listening, where the add-on finds it."""
    root = Path(__file__).resolve().parents[2]
    np.savez(tmp_path / "arrays.npz", **arrays)
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("fake_hub.py"), tmp_path / "data", tmp_path / "arrays.npz"],
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    end = time.monotonic() + 20.0
    while not (tmp_path / "data" / "connection.json").exists():
        assert process.poll() is None and time.monotonic() < end, "the scripted hub did not start"
        time.sleep(0.02)
    yield process
    process.kill()
    process.wait()
