# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the scorer, in one resumable run: contrastive loss plus the three heads, AdamW, cosine decay.

A checkpoint holds the network, the optimiser and the random state; a run that was killed goes on from it and ends with
the same weights as one that was not.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from backend.embedded.scorer.network import ScorerNetwork, Sizes, contrastive_loss
from backend.embedded.scorer.pictures import varied
from backend.embedded.scorer.stock import Stock
from protocol.errors import TrainingDiverged


@dataclass(frozen=True)
class TrainSettings:
    """Numbers of the run. `others` wrong captions join every batch, so that a picture is told from many more things
    than the batch holds; `heads` weighs the three classification losses against the contrastive one; `half` runs the
    towers in bfloat16 (weights stay float32). Batches come from a shelf of `shelf` pictures, of which `fresh` are made
    anew each step: making a picture costs more than learning from it (data echoing, Choi et al. 2019)."""

    steps: int = 2000
    shelf: int = 2048
    fresh: int = 64
    batch: int = 192
    learning_rate: float = 2e-3
    warmup: int = 100
    weight_decay: float = 0.05
    others: int = 512
    heads: float = 0.3
    smoothing: float = 0.05
    seed: int = 7
    save_every: int = 100
    half: bool = True

    def __post_init__(self) -> None:
        if min(self.steps, self.shelf, self.batch, self.warmup, self.save_every) < 1 or self.learning_rate <= 0:
            raise ValueError("steps, batch, warmup, save_every and learning_rate must be positive")


def learning_rate(step: int, settings: TrainSettings) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    if step < settings.warmup:
        return settings.learning_rate * (step + 1) / settings.warmup
    share = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return 0.5 * settings.learning_rate * (1.0 + math.cos(math.pi * min(share, 1.0)))


class Shelf:
    """The pictures that batches are drawn from: `pictures` (N, 3, S, S) uint8 of the stock's `rows` (N,), the oldest at
    `place`."""

    def __init__(self, stock: Stock, rows: Tensor, pictures: Tensor, place: int):
        self.stock, self.rows, self.pictures, self.place = stock, rows, pictures, place

    @classmethod
    def filled(cls, stock: Stock, size: int, generator: torch.Generator) -> Shelf:
        """A shelf of `size` random pictures."""
        rows = torch.randint(len(stock.owner), (size,), generator=generator)
        return cls(stock, rows, torch.cat([_pictures(stock, part, generator) for part in rows.split(256)]), 0)

    def renew(self, count: int, generator: torch.Generator) -> None:
        """Replaces the `count` oldest pictures by new ones of other rows."""
        places = (self.place + torch.arange(count)) % len(self.rows)
        self.rows[places] = torch.randint(len(self.stock.owner), (count,), generator=generator)
        self.pictures[places] = _pictures(self.stock, self.rows[places], generator)
        self.place = (self.place + count) % len(self.rows)


def _pictures(stock: Stock, rows: Tensor, generator: torch.Generator) -> Tensor:
    return (varied(stock.albedo[rows], stock.normals[rows], generator) * 255.0 + 0.5).to(torch.uint8)


def batch_loss(network: ScorerNetwork, shelf: Shelf, settings: TrainSettings, generator: torch.Generator) -> Tensor:
    """The loss of one random batch: pictures off the shelf, each with one of its object's wordings."""
    stock = shelf.stock
    chosen = torch.randint(len(shelf.rows), (settings.batch,), generator=generator)
    shown = stock.owner[shelf.rows[chosen]]
    told = torch.cat([shown, torch.randint(len(stock.captions), (settings.others,), generator=generator)])
    wording = torch.randint(stock.captions.shape[1], (len(told),), generator=generator)
    vectors = stock.vectors[stock.captions[told, wording]]
    pictures = (shelf.pictures[chosen].float() / 255.0).contiguous(memory_format=torch.channels_last)

    with torch.autocast("cpu", torch.bfloat16, enabled=settings.half):
        places, features = network.embed_pictures(pictures)
        sentences = network.embed_sentences(vectors)
    places, features, sentences = places.float(), features.float(), sentences.float()
    same = stock.same[shown][:, None] == stock.same[told][None]
    loss = contrastive_loss(places, sentences, network.scale(), same)
    for logits, target in zip(network.read(features).values(), stock.labels[shown].T, strict=True):
        loss = loss + settings.heads * functional.cross_entropy(logits, target, label_smoothing=settings.smoothing)
    return loss


class Run:
    """What decides the future of a run beside the stock; goes on from the checkpoint at `path` where there is one."""

    def __init__(self, network: ScorerNetwork, stock: Stock, settings: TrainSettings, path: Path):
        self.network, self.path, self.step = network, path, 0
        self.settings = json.dumps(asdict(settings))
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=settings.weight_decay
        )
        self.generator = torch.Generator().manual_seed(settings.seed)
        if not path.exists():
            self.shelf = Shelf.filled(stock, settings.shelf, self.generator)
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["settings"] != self.settings:
            raise ValueError(f"{path} belongs to a run with other settings; delete it or choose another --folder")
        network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        self.shelf = Shelf(stock, *state["shelf"])
        self.step = state["step"]

    def save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "shelf": (self.shelf.rows, self.shelf.pictures, self.shelf.place),
            "step": self.step,
            "settings": self.settings,
        }
        partial = self.path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.path)


def train(
    stock: Stock,
    folder: Path,
    settings: TrainSettings,
    tell: Callable[[str], None] = lambda text: None,
    stop_at: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> ScorerNetwork:
    """Trains on `stock` until the last step, or until `stop_at`; keeps `checkpoint.pt` in `folder`.

    Raises:
        TrainingDiverged: the loss is no number any more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = ScorerNetwork(
            Sizes(tuple(stock.names["kind"]), tuple(stock.names["colour"]), tuple(stock.names["pattern"]))
        )
    network = network.to(memory_format=torch.channels_last).train()
    last = settings.steps if stop_at is None else min(stop_at, settings.steps)
    run = Run(network, stock, settings, folder / "checkpoint.pt")
    began, first, recent = clock(), run.step, 0.0
    while run.step < last:
        for group in run.optimiser.param_groups:
            group["lr"] = learning_rate(run.step, settings)
        run.shelf.renew(settings.fresh, run.generator)
        loss = batch_loss(network, run.shelf, settings, run.generator)
        run.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingDiverged(
                f"The scorer's loss became {value} at step {run.step}.",
                hint="Delete the run's folder and start again with a lower --learning-rate.",
            )
        run.optimiser.step()
        recent = value if run.step == first else 0.95 * recent + 0.05 * value
        run.step += 1
        if run.step % 20 == 0:
            pace = (clock() - began) / (run.step - first)
            tell(f"step {run.step} of {settings.steps}: loss {recent:.3f}, {pace:.2f} s a step")
        if run.step % settings.save_every == 0 or run.step == last:
            run.save()
    network.eval()
    return network
