# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recipe may ask of the process that runs it.

A recipe reports progress, shows previews, asks whether it was cancelled and keeps checkpoints through a
`JobContext`, and knows nothing else of its surroundings: not the hub, not the socket, not the clock. The worker
gives it one that speaks to the hub; `TerminalContext` here serves scripts, benchmarks and tests.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backend.distillation.ranks import ALONE, Ranks
from protocol.errors import Cancelled
from protocol.motion import Motion


class JobContext(ABC):
    """The recipe's only door to the outside.

    Attributes:
        device: where tensors live.
        folder: a private scratch folder of this job; it outlives a crash of the worker.
        cache: objects that may be kept between jobs of one process (loaded priors, compiled grids), by name.
        clock: seconds, monotonic; recipes that need the time read it here.
        inputs: arrays that were submitted with the job, by name, read-only (the spec's `INPUTS` name them).
        ranks: who computes this job together, each on a device of its own; usually one alone.
        memory_share: of the device's memory that the job may use; below 1 after an attempt that ran out of it.
        motion_folder: clips that motions are chosen from beside our own, or None.
        clip_folder: a CLIP of transformers that judges what a described body looks like, or None for words alone.
    """

    device: torch.device
    folder: Path
    cache: MutableMapping[str, Any]
    clock: Callable[[], float]
    inputs: Mapping[str, np.ndarray]
    ranks: Ranks
    memory_share: float = 1.0
    motion_folder: Path | None = None
    clip_folder: Path | None = None

    @abstractmethod
    def progress(self, stage: str, fraction: float, message: str = "", seconds_left: float | None = None) -> None:
        """Tells how far the whole job is: `fraction` in 0..1, `seconds_left` an honest guess or None."""

    @abstractmethod
    def preview_mesh(self, vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray) -> None:
        """Shows a rough surface: vertices (V, 3) float32 metres, faces (F, 3) int32, colours (V, 4) uint8 sRGB."""

    @abstractmethod
    def preview_image(self, image: np.ndarray) -> None:
        """Shows a picture: (H, W, 3) uint8 sRGB, top row first."""

    @abstractmethod
    def preview_motion(self, motion: Motion, whole: int) -> None:
        """Shows what there is of a motion so far, from its first frame on; it will have `whole` frames, 0: unknown."""

    @abstractmethod
    def check(self) -> None:
        """Called between steps. Raises `protocol.errors.Cancelled` once somebody asked to stop."""

    @abstractmethod
    def warn(self, text: str) -> None:
        """Something the user should know although the job goes on; it also belongs in the report."""

    @property
    def checkpoint_wanted(self) -> bool:
        """Whether a checkpoint should be saved at the next good place, because the job shall pause."""
        return False

    @abstractmethod
    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Keeps `state` (tensors, numbers, strings) so that a later attempt of the same job can go on from it."""

    @abstractmethod
    def load_checkpoint(self) -> dict[str, Any] | None:
        """The last state that was kept for this job, or None."""


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes with a rename at the end, so that a crash leaves the old checkpoint or the new one, never half of one."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """None when there is no checkpoint. Only tensors and plain values are accepted, never code."""
    if not path.exists():
        return None
    state = torch.load(path, map_location="cpu", weights_only=True)
    return state if isinstance(state, dict) else None


@dataclass
class TerminalContext(JobContext):
    """A context for scripts and tests: keeps what it was told, and prints it when `verbose`."""

    folder: Path
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    cache: MutableMapping[str, Any] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    inputs: Mapping[str, np.ndarray] = field(default_factory=dict)
    ranks: Ranks = ALONE
    verbose: bool = False
    cancel_when: Callable[[TerminalContext], bool] = lambda context: False
    stages: list[tuple[str, float]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    meshes: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)
    images: list[np.ndarray] = field(default_factory=list)
    motions: list[Motion] = field(default_factory=list)

    def progress(self, stage: str, fraction: float, message: str = "", seconds_left: float | None = None) -> None:
        self.stages.append((stage, fraction))
        if self.verbose:
            left = "" if seconds_left is None else f", {seconds_left:.0f} s left"
            print(f"{fraction:6.1%} {stage}: {message}{left}", flush=True)

    def preview_mesh(self, vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray) -> None:
        self.meshes.append((vertices, faces, colours))

    def preview_image(self, image: np.ndarray) -> None:
        self.images.append(image)

    def preview_motion(self, motion: Motion, whole: int) -> None:
        self.motions.append(motion)

    def check(self) -> None:
        if self.cancel_when(self):
            raise Cancelled("The job was cancelled.")

    def warn(self, text: str) -> None:
        self.warnings.append(text)
        if self.verbose:
            print(f"warning: {text}", flush=True)

    @property
    def checkpoint_path(self) -> Path:
        return self.folder / "checkpoint.pt"

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_checkpoint(self.checkpoint_path, state)

    def load_checkpoint(self) -> dict[str, Any] | None:
        return read_checkpoint(self.checkpoint_path)
