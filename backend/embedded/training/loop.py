# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop that the recipes share: resumable, stoppable at any time, the same on CPU and CUDA.

A recipe brings a network, a loss and a watch sheet; the loop brings optimiser, averaging, learning-rate plan, log and
checkpoints. A checkpoint holds everything that decides the future (weights, average, optimiser, random states, which
shards were open), so that a resumed run continues bit for bit as if it had never stopped. The learning rate is
constant after a warm-up ("warmup-stable-decay"); `finish` adds the last linear decay whenever one decides to stop.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from protocol.errors import TrainingDiverged

from .optimiser import Muon

QUARTERS = 4


class Recipe(Protocol):
    """What the loop trains. `loss` returns the mean loss and, for the log, per-sample losses (B,) with their place in
    0..1 (B,) by which the log sorts them into quarters. `watch` draws a sheet to a file and returns numbers to log."""

    name: str
    network: torch.nn.Module

    def loss(self, batch: Any, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]: ...

    def watch(self, network: torch.nn.Module, path: Path) -> dict[str, Any]: ...


class Drawn(Protocol):
    """What the loop draws from: a `ShardFolder`, or several. `draw` returns what the recipe's `loss` takes, with a
    method `to(device)`."""

    @property
    def names(self) -> list[str]: ...

    def __len__(self) -> int: ...

    def rescan(self) -> None: ...

    def reopen(self, names: Sequence[str]) -> Any: ...

    def draw(self, count: int, rng: np.random.Generator) -> Any: ...


@dataclass(frozen=True)
class LoopSettings:
    """Numbers of the loop. `learning_rate` after `warmup` steps; `average_power` is the exponent of the power-law
    average (Karras et al. 2024, section 3.1; 16 keeps about the last seventeenth of the run, whatever its length).
    `patience` steps in a row without a finite loss end the run."""

    batch: int = 32
    learning_rate: float = 1e-3
    warmup: int = 300
    weight_decay: float = 0.01
    average_power: float = 16.0
    clip: float = 1.0
    seed: int = 0
    rescan_every: int = 100
    log_every: int = 100
    save_seconds: float = 300.0
    watch_seconds: float = 900.0
    patience: int = 50

    def __post_init__(self) -> None:
        if self.batch < 1 or self.learning_rate <= 0 or self.warmup < 1:
            raise ValueError("batch, learning_rate and warmup must be positive")


def learning_rate(step: int, settings: LoopSettings, decay_from: int | None, decay_steps: int) -> float:
    """Learning rate of the (0-based) step: linear warm-up, constant, then linear to zero from `decay_from` on."""
    rate = settings.learning_rate * min(1.0, (step + 1) / settings.warmup)
    if decay_from is not None:
        rate *= min(1.0, max(0.0, 1.0 - (step - decay_from) / decay_steps))
    return rate


class Trainer:
    """One run in one folder: `run` until a deadline or a number of steps, `finish` to decay to the end."""

    def __init__(
        self, recipe: Recipe, shards: Drawn, folder: Path, settings: LoopSettings, device: torch.device,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.recipe, self.shards, self.folder = recipe, shards, folder
        self.settings, self.device, self.clock = settings, device, clock
        self.network = recipe.network.to(device).train()
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.average = [p.detach().clone() for p in self.parameters]
        named = [(n, p) for n, p in self.network.named_parameters() if p.requires_grad]
        self.optimiser = Muon(named, settings.learning_rate, settings.weight_decay)
        self.generator = torch.Generator(device=device).manual_seed(settings.seed)
        self.rng = np.random.default_rng(settings.seed)
        self.step = 0
        self.samples = 0
        self.skipped = 0
        self.seconds = 0.0
        self.decay_from: int | None = None
        self.decay_steps = 1
        self.stopping = False  # set from a signal handler to save and leave after the step under way
        folder.mkdir(parents=True, exist_ok=True)
        self._reset_log()
        if self.checkpoint_path.exists():
            self.load(self.checkpoint_path)

    @property
    def checkpoint_path(self) -> Path:
        return self.folder / "checkpoint.pt"

    def save(self) -> None:
        """Write the checkpoint beside the old one and swap, so that a kill leaves a whole one."""
        state = {
            "recipe": self.recipe.name,
            "network": self.network.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "rng": json.dumps(self.rng.bit_generator.state),
            "shards": self.shards.names,
            "step": self.step, "samples": self.samples, "skipped": self.skipped, "seconds": self.seconds,
            "decay_from": self.decay_from, "decay_steps": self.decay_steps,
            "log": (self._sums, self._counts),
        }  # fmt: skip
        partial = self.checkpoint_path.with_suffix(f".{os.getpid()}.partial")
        torch.save(state, partial)
        os.replace(partial, self.checkpoint_path)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint of the same recipe."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["recipe"] != self.recipe.name:
            raise ValueError(f"{path} was written by the recipe '{state['recipe']}', not '{self.recipe.name}'")
        self.network.load_state_dict(state["network"])
        for mine, stored in zip(self.average, state["average"], strict=True):
            mine.copy_(stored)
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"].cpu())
        self.rng.bit_generator.state = json.loads(state["rng"])
        self.shards = self.shards.reopen(state["shards"])
        self.step, self.samples, self.skipped = state["step"], state["samples"], state["skipped"]
        self.seconds = state["seconds"]
        self.decay_from, self.decay_steps = state["decay_from"], state["decay_steps"]
        self._sums, self._counts = state["log"]

    def run(self, steps: int | None = None, seconds: float | None = None) -> None:
        """Train `steps` more steps or for `seconds`, whichever ends first; saves on the way and at the end."""
        began = saved = watched = logged = self.clock()
        before = self.seconds
        last = None if steps is None else self.step + steps
        logged_samples = self.samples
        while (last is None or self.step < last) and (seconds is None or self.clock() - began < seconds):
            if self.stopping or (self.decay_from is not None and self.step >= self.decay_from + self.decay_steps):
                break
            self.one_step()
            now = self.clock()
            self.seconds = before + now - began
            if self.step % self.settings.log_every == 0:
                self.log({"samples_per_second": round((self.samples - logged_samples) / max(now - logged, 1e-9), 2)})
                logged, logged_samples = now, self.samples
            if now - saved > self.settings.save_seconds:
                self.save()
                saved = now
            if now - watched > self.settings.watch_seconds:
                self.watch()
                watched = logged = self.clock()
                logged_samples = self.samples
        self.save()

    def finish(self, decay_steps: int, seconds: float | None = None) -> None:
        """Decay the learning rate to zero over `decay_steps` and stop; a killed finish resumes where it was."""
        if self.decay_from is None:
            self.decay_from, self.decay_steps = self.step, decay_steps
        self.run(seconds=seconds)
        if not self.stopping:
            self.watch()

    def one_step(self) -> None:
        """Draw, differentiate, clip, step, average. A step whose loss or gradient is not finite changes nothing."""
        if self.step % self.settings.rescan_every == 0:
            self.shards.rescan()
        batch = self.shards.draw(self.settings.batch, self.rng).to(self.device)
        loss, each, place = self.recipe.loss(batch, self.generator)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
        if math.isfinite(float(norm)) and math.isfinite(float(loss.detach())):
            rate = learning_rate(self.step, self.settings, self.decay_from, self.decay_steps)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            self.optimiser.step()
            keep = (1.0 - 1.0 / (self.step + 1)) ** (self.settings.average_power + 1.0)
            torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1.0 - keep)
            self.skipped = 0
            quarter = (place.detach() * QUARTERS).long().clamp(0, QUARTERS - 1).cpu()
            self._sums.index_add_(0, quarter, each.detach().double().cpu())
            self._counts.index_add_(0, quarter, torch.ones_like(quarter, dtype=torch.float64))
        else:
            self.skipped += 1
            if self.skipped >= self.settings.patience:
                raise TrainingDiverged(
                    f"{self.skipped} training steps in a row gave no finite loss or gradient.",
                    hint="Start again from an earlier checkpoint with a lower --learning-rate.",
                )
        self.step += 1
        self.samples += self.settings.batch

    def averaged(self) -> torch.nn.Module:
        """A copy of the network that holds the averaged weights, in evaluation mode."""
        import copy

        net = copy.deepcopy(self.network).eval()
        with torch.no_grad():
            for parameter, value in zip((p for p in net.parameters() if p.requires_grad), self.average, strict=True):
                parameter.copy_(value)
        return net

    def watch(self) -> None:
        """Write the watch sheet of the averaged network and log its numbers."""
        numbers = self.recipe.watch(self.averaged(), self.folder / f"sheet-{self.samples:08d}.png")
        self.log(numbers)

    def log(self, numbers: dict[str, Any]) -> None:
        """Append one JSON line: where the run is, mean losses by quarter since the last line, and `numbers`."""
        means = (self._sums / self._counts.clamp_min(1)).tolist()
        line: dict[str, Any] = {"step": self.step, "samples": self.samples, "seconds": round(self.seconds, 1),
                "shards": len(self.shards.names), "pictures": len(self.shards)}  # fmt: skip
        if float(self._counts.sum()) > 0:
            line["loss"] = round(float(self._sums.sum() / self._counts.sum()), 5)
            line["loss_by_quarter"] = [round(value, 5) for value in means]
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps({**line, **numbers}) + "\n")
        self._reset_log()

    def _reset_log(self) -> None:
        self._sums = torch.zeros(QUARTERS, dtype=torch.float64)
        self._counts = torch.zeros(QUARTERS, dtype=torch.float64)
