# SPDX-License-Identifier: GPL-3.0-or-later
"""One optimisation on several devices: each rank renders its part of a step's views, gradients are added up.

All ranks hold the same parameters and the same generators, so all draw the same batch without a word between them;
each looks through its part of it. What is spoken are sums: gradients once a step, a few numbers, and now and then the
first rank's values for everybody, because a GPU does not add in the same order twice. One rank alone speaks with
nobody, and everything here then gives back what it was given.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from protocol.errors import BadRequest

PATIENCE = datetime.timedelta(minutes=30)  # for a rank that is still loading its prior, or shows a preview


@dataclass(frozen=True)
class Part:
    """The views start..stop of a batch of `total`."""

    start: int
    stop: int
    total: int

    @classmethod
    def whole(cls, total: int) -> Part:
        return cls(0, total, total)

    @property
    def slice(self) -> slice:
        return slice(self.start, self.stop)

    @property
    def is_whole(self) -> bool:
        return self.stop - self.start == self.total

    def cut(self, index: int, pieces: int, together: int = 1) -> Part:
        """Piece `index` of this part; views that a prior must see at once stay together. Empty pieces are an error."""
        if pieces == 1:
            return self
        groups = -(-(self.stop - self.start) // together)
        if pieces > groups:
            raise ValueError(f"{groups} groups of views can't be cut into {pieces} pieces")
        start, stop = (min(self.stop, self.start + together * (groups * one // pieces)) for one in (index, index + 1))
        return Part(start, stop, self.total)

    def weigh(self, mean: Tensor) -> Tensor:
        """A mean over this part as its share of the mean over the batch; the parts' values add up to that."""
        return mean if self.is_whole else mean * ((self.stop - self.start) / self.total)


class Ranks:
    """Who computes together. world: how many. rank: which one this is, 0 leads. group: None for one alone."""

    def __init__(self, rank: int = 0, world: int = 1, group: dist.ProcessGroup | None = None) -> None:
        if not 0 <= rank < world or (world > 1) != (group is not None):
            raise ValueError(f"rank {rank} of {world} makes no sense")
        self.rank, self.world = rank, world
        self._group = group

    @classmethod
    def join(cls, meeting: Path, rank: int, world: int, device: torch.device) -> Ranks:
        """Meets the others of this machine at a file that none of them has used before; waits until all are there.

        NCCL where each rank has a GPU of its own, gloo otherwise.
        """
        if world == 1:
            return cls()
        store = dist.FileStore(str(meeting), world)
        backend = "nccl" if device.type == "cuda" and dist.is_nccl_available() else "gloo"
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=PATIENCE)
        return cls(rank, world, dist.group.WORLD)

    def leave(self) -> None:
        """The work is over."""
        if self._group is not None:
            self._group = None
            dist.destroy_process_group()

    @property
    def first(self) -> bool:
        """Whether this rank speaks for all: previews, checkpoints, the result."""
        return self.rank == 0

    def part(self, views: int, together: int = 1) -> Part:
        """This rank's part of a batch. together: views that a prior must see at once stay with one rank.

        Raises BadRequest when there are more ranks than groups of views.
        """
        groups = -(-views // together)
        if groups < self.world:
            raise BadRequest(
                f"{views} views a step cannot be split over {self.world} devices.", path="gpus",
                hint=f"Ask for at most {groups}.",
            )
        start, stop = (min(views, together * (groups * one // self.world)) for one in (self.rank, self.rank + 1))
        return Part(start, stop, views)

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Every parameter's gradient becomes the sum over all ranks. One message for each type of number."""
        if self._group is None:
            return
        kinds: dict[torch.dtype, list[Tensor]] = {}
        for one in parameters:
            kinds.setdefault(one.dtype, []).append(one)
        for kind in kinds.values():
            # A last number a parameter counts the ranks that have a gradient at all: none is not the same as zero.
            flat = torch.cat([
                *(torch.zeros_like(one).flatten() if one.grad is None else one.grad.flatten() for one in kind),
                torch.tensor([float(one.grad is not None) for one in kind], dtype=kind[0].dtype, device=kind[0].device),
            ])
            dist.all_reduce(flat, group=self._group)
            counts = flat[-len(kind):].tolist()
            place = 0
            for one, count in zip(kind, counts, strict=True):
                if count:
                    one.grad = flat[place : place + one.numel()].view_as(one).clone()
                place += one.numel()

    def share_of_sum(self, part: Part, value: Tensor, count: Tensor) -> Tensor:
        """For a term that is divided by a `count` of its own rather than by the number of views.

        value: sum / count over this part. Weighed with `Part.weigh`, the results of all ranks add up to
        (sum of all) / (count of all).
        """
        if self._group is None:
            return value
        mine = count.to(value.dtype).clamp_min(1.0)
        whole = count.to(value.dtype).clone()
        dist.all_reduce(whole, group=self._group)
        return value * (mine / whole.clamp_min(1.0) * (part.total / (part.stop - part.start)))

    def all_agree(self, yes: bool, device: torch.device) -> bool:
        """Whether all ranks say yes."""
        if self._group is None:
            return yes
        votes = torch.tensor([float(yes)], device=device)
        dist.all_reduce(votes, group=self._group)
        return int(votes.item()) == self.world

    def number_of_first(self, number: int, device: torch.device) -> int:
        """The first rank's number."""
        if self._group is None:
            return number
        told = torch.tensor([number], dtype=torch.int64, device=device)
        dist.broadcast(told, 0, group=self._group)
        return int(told.item())

    def follow_first(self, tensors: Sequence[Tensor]) -> None:
        """Every tensor gets the first rank's values."""
        if self._group is None:
            return
        for one in tensors:
            dist.broadcast(one.data, 0, group=self._group)


ALONE = Ranks()
