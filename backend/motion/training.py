# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe of the motion autoencoder and the pose codebook: motion out of our generators, minutes on one core.

    python -m backend.motion.training --out backend/motion/weights

writes motion.safetensors with the network (half precision), 2,048 poses, and for each pose the name of what it was
taken from. Nothing but generators goes in, so it may be shipped.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from backend.motion import repertoire
from backend.motion.autoencoder import MotionAutoencoder, joints, standing
from backend.motion.features import FPS, FRAMES, average_figure, features, windows
from backend.motion.figure import Figure
from backend.motion.index import GENERATORS
from backend.motion.manner import MANNERS, NEUTRAL, Manner
from backend.motion.take import Take, mirror, resample
from backend.motion.words import Part

CODES = 2048
SPEEDS = (0.8, 1.0, 1.25)
BATCH = 96
POSED = 8  # frames of a window whose joints are compared in a step
LOOPS = tuple(entry.name for entry in GENERATORS if entry.cyclic)


def takes(figure: Figure, manners: dict[str, Manner]) -> Iterator[tuple[str, Take]]:
    """Everything that is known in every manner, at least as long as a window."""
    for entry in GENERATORS:
        for manner in manners.values():
            loop = entry.name in LOOPS
            part = Part(entry.name, entry.concepts)
            take = repertoire.make(entry, part, figure, FPS, 90 if loop else 0, manner, loop)
            yield entry.name, take
            if entry.name in repertoire.GAITS:
                yield entry.name, repertoire.make(entry, part, figure, FPS, 0, manner, False)


def dataset(figure: Figure, seed: int) -> NDArray[np.float32]:
    """(N, 60, 136): windows of all takes, mirrored and at three speeds."""
    random = np.random.default_rng(seed)
    found = []
    for _, take in takes(figure, {"": NEUTRAL, **MANNERS}):
        for one in (take, mirror(take)):
            speed = float(random.choice(SPEEDS))
            paced = resample(one, FPS, speed)
            found.append(windows(figure, paced))
    return np.concatenate(found)


def codebook(figure: Figure, seed: int, rounds: int = 12) -> tuple[NDArray[np.float32], list[str]]:
    """((2048, 132) poses, what each was taken from): k-means over poses, each code the pose nearest to its mean."""
    random = np.random.default_rng(seed)
    poses, names = [], []
    for name, take in takes(figure, {one: MANNERS.get(one, NEUTRAL) for one in ("", "big", "sneaky", "proud", "old")}):
        for one in (take, mirror(take)):
            rows = features(figure, one)[::4, :132]
            poses.append(rows)
            names += [name] * len(rows)
    every = np.concatenate(poses)
    centres = every[random.choice(len(every), CODES, replace=False)]
    for _ in range(rounds):
        owner = nearest(every, centres)
        total = np.zeros_like(centres)
        np.add.at(total, owner, every)
        count = np.bincount(owner, minlength=CODES)[:, None]
        centres = np.where(count > 0, total / np.maximum(count, 1), centres).astype(np.float32)
    chosen = np.unique(nearest(centres, every))
    return every[chosen], [names[place] for place in chosen]


def nearest(points: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    """(N,): the centre nearest to each point."""
    squares = (centres**2).sum(1)
    return np.concatenate([(squares - 2 * part @ centres.T).argmin(1)
                           for part in np.array_split(points, max(1, len(points) // 1024))])


def train(data: NDArray[np.float32], figure: Figure, steps: int, seed: int, tell: bool = True) -> MotionAutoencoder:
    """The network after so many steps: features + 10 x joints + 30 x their steps + 1e-4 KL (reference, section 7.5)."""
    torch.manual_seed(seed)
    network = MotionAutoencoder()
    whole = torch.tensor(data)
    spectrum = torch.einsum("kt,btc->bkc", network.basis, whole)
    network.mean.copy_(spectrum.mean(0))
    network.scale.copy_(spectrum.std(0).clamp(min=0.02))
    offsets = standing(figure)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps, pct_start=0.1)
    begun = time.monotonic()
    for step in range(steps):
        batch = whole[torch.randint(len(whole), (BATCH,))]
        mean, log_variance = network.encode(batch)
        latent = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        made = network.decode(latent)
        begin = int(torch.randint(FRAMES - POSED + 1, (1,)))  # joints are costly: of a stretch of frames
        stretch = slice(begin, begin + POSED)
        own, truth = joints(made[:, stretch], offsets), joints(batch[:, stretch], offsets)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        loss = ((made - batch).square().mean() + 10 * (own - truth).square().mean()
                + 30 * (own.diff(dim=1) - truth.diff(dim=1)).square().mean() + 1e-4 * kl)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if tell and step % 200 == 0:
            error = (own - truth).norm(dim=-1).mean()
            print(f"{step:5d} loss {float(loss.detach()):.4f} joints {float(error.detach()) * 1000:.0f} mm "
                  f"kl {float(kl.detach()):.0f} {time.monotonic() - begun:.0f} s", flush=True)
    return network.eval().requires_grad_(False)


def main() -> None:
    from safetensors.torch import save_file

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    figure = average_figure()
    poses, names = codebook(figure, options.seed)
    data = dataset(figure, options.seed)
    print(f"{len(poses)} poses, {len(data)} windows of {FRAMES} frames, {len(data) * FRAMES / FPS / 3600:.1f} hours")
    network = train(data, figure, options.steps, options.seed)
    state = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    state["poses"] = torch.tensor(poses).half()
    options.out.mkdir(parents=True, exist_ok=True)
    save_file(state, options.out / "motion.safetensors", {"poses_of": json.dumps(names), "seed": str(options.seed),
                                                         "steps": str(options.steps)})


if __name__ == "__main__":
    main()
