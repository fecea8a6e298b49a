# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recipe sees of the world when it runs for a hub: a `JobContext` whose words travel over the link.

It has every method of `backend.jobs.context.JobContext` and is registered as one (see `process`), but does not
inherit from it: that module imports torch, and only recipes that compute with torch should pay for it.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping, MutableMapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from backend.worker.device import choose_device
from backend.worker.held import Held
from backend.worker.link import Link
from backend.worker.pictures import png_bytes
from protocol.arrays import describe, inline
from protocol.errors import Cancelled, LeaseLost
from protocol.motion import Motion
from protocol.worker_messages import WorkerEphemeral

if TYPE_CHECKING:
    import torch

    from backend.distillation.ranks import Ranks

CHECKPOINT = "checkpoint.pt"
MOTION_FOLDER = "MAQUETTE_MOTION_FOLDER"
CLIP_FOLDER = "MAQUETTE_CLIP_FOLDER"


class WorkerContext:
    """One attempt of one job. folder: scratch of the job, shared by its attempts. cache: kept between jobs.

    inputs: the job's arrays by name, read-only. ranks: set by the worker when it leads others.
    """

    def __init__(
        self,
        link: Link,
        held: Held,
        folder: Path,
        cache: MutableMapping[str, Any],
        clock: Callable[[], float] = time.monotonic,
        inputs: Mapping[str, np.ndarray] = MappingProxyType({}),
    ) -> None:
        self.folder = folder
        self.cache = cache
        self.clock = clock
        self.inputs = inputs
        self.warnings: list[str] = []
        self.lead: Callable[[], Ranks] | None = None
        self._link = link
        self._held = held
        self._stage = ""
        self._fraction = 0.0
        folder.mkdir(parents=True, exist_ok=True)

    @cached_property
    def device(self) -> torch.device:
        """Where tensors live."""
        return choose_device()

    @property
    def memory_share(self) -> float:
        """Of the device's memory that the job may use."""
        return self._held.lease.memory_share

    @property
    def motion_folder(self) -> Path | None:
        """Clips of the machine's owner: the setting MAQUETTE_MOTION_FOLDER."""
        folder = os.environ.get(MOTION_FOLDER, "")
        return Path(folder) if folder else None

    @property
    def clip_folder(self) -> Path | None:
        """A CLIP of the machine's owner: the setting MAQUETTE_CLIP_FOLDER."""
        folder = os.environ.get(CLIP_FOLDER, "")
        return Path(folder) if folder else None

    @cached_property
    def ranks(self) -> Ranks:
        """Who computes this job together."""
        from backend.distillation.ranks import ALONE

        return self.lead() if self.lead is not None else ALONE

    def progress(self, stage: str, fraction: float, message: str = "", seconds_left: float | None = None) -> None:
        self._stage, self._fraction = stage[:64], min(1.0, max(0.0, fraction)) if math.isfinite(fraction) else 0.0
        left = seconds_left if seconds_left is not None and math.isfinite(seconds_left) else None
        self._show("progress", text=message[:4096], seconds_left=None if left is None else max(0.0, min(left, 1e9)))

    def preview_mesh(self, vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray) -> None:
        self._show("preview_mesh", arrays={
            "vertices": np.ascontiguousarray(vertices, np.float32), "faces": np.ascontiguousarray(faces, np.int32),
            "colours": np.ascontiguousarray(colours, np.uint8),
        })

    def preview_image(self, image: np.ndarray) -> None:
        self._show("preview_image", arrays={"image": np.frombuffer(png_bytes(image), np.uint8)})

    def preview_motion(self, motion: Motion, whole: int) -> None:
        facts = json.dumps({**motion.facts(), "whole": whole}).encode()
        self._show("preview_motion", arrays={**motion.to_arrays(), "motion_facts": np.frombuffer(facts, np.uint8)})

    def _show(
        self, kind: str, text: str = "", seconds_left: float | None = None,
        arrays: dict[str, np.ndarray] | None = None,
    ) -> None:
        descriptors, payload = inline(arrays or {})
        lease = self._held.lease
        self._link.show(self._held, WorkerEphemeral(
            lease.job, kind=kind, stage=self._stage, fraction=self._fraction, text=text, seconds_left=seconds_left,
            arrays=descriptors, payload=payload, fence=lease.fence,
        ))

    def check(self) -> None:
        self._link.step()
        if self._held.lost:
            raise LeaseLost("The job was given to another attempt.")
        if self._held.stopped:
            raise Cancelled(stage=self._stage)

    def warn(self, text: str) -> None:
        self.warnings.append(text)
        self._link.warn(self._held, text)

    @property
    def checkpoint_wanted(self) -> bool:
        """Whether a checkpoint is wanted now, because the job shall pause."""
        return self._held.pausing

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        from backend.jobs.context import write_checkpoint

        write_checkpoint(self.folder / CHECKPOINT, state)
        self.keep_checkpoint()

    def keep_checkpoint(self) -> None:
        """The checkpoint's file is written: the hub gets a copy, and a job that shall pause ends here."""
        data = np.fromfile(self.folder / CHECKPOINT, np.uint8)
        self._link.keep(self._held, *describe("checkpoint", data))
        if self._held.pausing:
            self._held.stopped = True
            self.check()

    def load_checkpoint(self) -> dict[str, Any] | None:
        from backend.jobs.context import read_checkpoint

        return read_checkpoint(self.folder / CHECKPOINT)
