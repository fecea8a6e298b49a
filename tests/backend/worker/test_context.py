# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's context offers what recipes expect, cleans what they say, and keeps their checkpoints."""

from __future__ import annotations

import errno
import inspect
import io
import json
import math
import os

import numpy as np
import pytest

from backend.worker.context import WorkerContext
from backend.worker.held import Held
from backend.worker.pictures import png_bytes
from backend.worker.process import plain, sweep, typed_error
from protocol.arrays import from_payload
from protocol.errors import Cancelled, EmptySurface, InternalError, LeaseLost, OutOfMemory, OutOfSpace
from protocol.motion import Motion
from protocol.updates import preview_motion
from protocol.worker_messages import Lease


class LinkModel:
    """Keeps what a context says."""

    def __init__(self):
        self.shown, self.warnings, self.steps, self.kept = [], [], 0, []

    def show(self, held, message):
        self.shown.append(message)

    def warn(self, held, text):
        self.warnings.append(text)

    def step(self):
        self.steps += 1

    def keep(self, held, descriptor, data):
        self.kept.append((descriptor, bytes(data)))


@pytest.fixture
def context(tmp_path):
    held = Held(Lease("ab" * 16, 1, 5, 10.0, "text_to_3d", {}), begun=True)
    return WorkerContext(LinkModel(), held, tmp_path / "scratch", {})


def test_it_has_every_method_of_a_job_context():
    jobs = pytest.importorskip("backend.jobs.context")
    for name in jobs.JobContext.__abstractmethods__:
        ours, theirs = (inspect.signature(getattr(one, name)) for one in (WorkerContext, jobs.JobContext))
        assert list(ours.parameters) == list(theirs.parameters), name
        assert [one.default for one in ours.parameters.values()] == [one.default for one in theirs.parameters.values()]
    for name in jobs.JobContext.__annotations__:
        assert hasattr(WorkerContext, name) or name in inspect.signature(WorkerContext).parameters, name


def test_progress_is_made_presentable(context):
    context.progress("coarse", 1.7, "x" * 9000, float("nan"))
    context.progress("s" * 100, -1.0, "", -5.0)
    context.progress("fine", math.nan, "", math.inf)
    first, second, third = context._link.shown
    assert (first.fraction, len(first.text), first.seconds_left) == (1.0, 4096, None)
    assert (second.fraction, len(second.stage), second.seconds_left) == (0.0, 64, 0.0)
    assert (third.fraction, third.seconds_left) == (0.0, None)


def test_previews(context):
    context.progress("coarse", 0.25)
    context.preview_mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]), np.zeros((3, 4), np.uint8))
    context.preview_image(np.full((4, 5, 3), 9, np.uint8))
    motion = Motion(np.tile(np.float32([1, 0, 0, 0]), (3, 2, 1)), np.zeros((3, 3), np.float32),
                    np.zeros((3, 4), np.uint8), 24.0)
    context.preview_motion(motion, 60)
    mesh, image, moving = context._link.shown[1:]
    again, whole = preview_motion(from_payload(moving.arrays, moving.payload))
    assert moving.kind == "preview_motion" and (len(again), again.fps, whole) == (3, 24.0, 60)
    arrays = from_payload(mesh.arrays, mesh.payload)
    assert arrays["vertices"].dtype == np.float32 and arrays["faces"].dtype == np.int32
    assert (mesh.stage, mesh.fraction, mesh.fence) == ("coarse", 0.25, 5)
    assert from_payload(image.arrays, image.payload)["image"].tobytes().startswith(b"\x89PNG")


def test_check(context):
    context.check()
    assert context._link.steps == 1
    context._held.stopped = True
    with pytest.raises(Cancelled):
        context.check()
    context._held.lost = True
    with pytest.raises(LeaseLost):
        context.check()


def test_checkpoint_round_trip(context):
    torch = pytest.importorskip("torch")
    assert context.load_checkpoint() is None
    context.save_checkpoint({"step": 3, "table": torch.arange(4)})
    assert context.load_checkpoint()["table"].tolist() == [0, 1, 2, 3]
    assert context.device.type in ("cpu", "cuda")
    assert context.ranks.first and context.ranks.world == 1
    (descriptor, data), = context._link.kept
    assert data == (context.folder / "checkpoint.pt").read_bytes() and descriptor.size == len(data)


def test_a_job_that_should_pause_ends_with_its_next_checkpoint(context):
    assert not context.checkpoint_wanted
    context._held.pausing = True
    context.check()  # goes on until it has something to keep
    assert context.checkpoint_wanted
    (context.folder / "checkpoint.pt").write_bytes(b"state")
    with pytest.raises(Cancelled):
        context.keep_checkpoint()
    assert [data for _, data in context._link.kept] == [b"state"]


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 7, 3), (6, 4, 4)])
def test_png(shape):
    image_module = pytest.importorskip("PIL.Image")
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert np.array_equal(np.asarray(image_module.open(io.BytesIO(png_bytes(image)))), image)


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_png_of_something_else(bad):
    with pytest.raises(ValueError):
        png_bytes(bad)


def test_report_becomes_plain(tmp_path):
    report = {"a": np.float32(1.5), "b": [math.nan, np.int64(3)], "c": tmp_path, 5: {"d": (True, None)}, "e": np.eye(2)}
    text = json.dumps(plain(report), allow_nan=False)
    expected = {"a": 1.5, "b": [None, 3], "c": str(tmp_path), "5": {"d": [True, None]}, "e": [[1.0, 0.0], [0.0, 1.0]]}
    assert json.loads(text) == expected


def test_old_scratch_is_swept(tmp_path):
    for name, age in (("old", 100.0), ("new", 300.0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "checkpoint.pt").touch()
        os.utime(tmp_path / name, (age, age))
    sweep(tmp_path, 200.0)
    sweep(tmp_path / "nowhere", 200.0)
    assert [one.name for one in tmp_path.iterdir()] == ["new"]


def test_errors_get_their_names(tmp_path):
    class OutOfMemoryError(RuntimeError):
        """As torch calls its own."""

    ours = EmptySurface("x")
    assert typed_error(ours, tmp_path) is ours
    assert isinstance(typed_error(MemoryError(), tmp_path), OutOfMemory)
    assert isinstance(typed_error(OutOfMemoryError("CUDA out of memory"), tmp_path), OutOfMemory)
    assert isinstance(typed_error(OSError(errno.ENOSPC, "full"), tmp_path), OutOfSpace)
    defect = typed_error(KeyError("secret"), tmp_path)
    assert isinstance(defect, InternalError) and "secret" not in str(defect.to_map())
