# SPDX-License-Identifier: GPL-3.0-or-later
"""What the optimising stages of a recipe share: steps, cooling down, checkpoints, and recovery from divergence.

A stage owns modules under optimisation and one generator for all its chance. If values stop being finite it goes back
to the last good step with half the learning rate and another stretch of random numbers, a few times, then fails with
advice. A state holds everything that decides the rest of the run, so a resumed stage repeats itself bit for bit.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from backend.distillation.ranks import ALONE, Part, Ranks
from protocol.errors import TrainingDiverged

if TYPE_CHECKING:
    from backend.jobs.guide import Learner

SNAPSHOT_EVERY = 25  # steps between the states that a diverged run goes back to
MOST_RECOVERIES = 4
COOLEST = 0.1  # share of the learning rate that is left at the end

Answer = TypeVar("Answer")


class Stage(ABC, Generic[Answer]):
    """A stage of `steps` optimiser steps.

    Attributes:
        step: the next step to do.
        turns, turn: see Args, and which one it is.
        recoveries: how often it went back.

    Args:
        name: for errors.
        steps: optimiser steps until it is finished.
        rates: learning rate of each module that is optimised.
        others: modules with a state but no learning rate.
        cool_from: share of the stage after which the rates fall in a straight line to a tenth, because score
            distillation is noisy and what it shapes must come to rest.
        generator: a CPU generator; all chance of the stage comes from it,
        also: and from these (of guides that are not the stage's own).
        ranks: who shares the views of a step.
        turns: in how many turns this rank looks through its views, one after another, so that a step needs the memory
            of one turn only. The gradient is that of all at once, but for rounding and for terms that are divided by
            what a turn itself sees.
    """

    def __init__(
        self,
        name: str,
        steps: int,
        rates: dict[str, tuple[nn.Module, float]],
        others: dict[str, nn.Module],
        cool_from: float,
        generator: torch.Generator,
        ranks: Ranks = ALONE,
        *,
        also: Sequence[torch.Generator] = (),
        turns: int = 1,
    ):
        self.name, self.steps, self.generator, self.ranks = name, steps, generator, ranks
        self._generators = list({id(one): one for one in (generator, *also)}.values())
        self.turns, self.turn = turns, 0
        self._cool_from = cool_from
        self._modules = {**{key: module for key, (module, _) in rates.items()}, **others}
        self._rates = [rate for _, rate in rates.values()]
        # betas and eps as Instant-NGP and threestudio set them for hash grids.
        groups = [{"params": module.parameters(), "lr": rate} for module, rate in rates.values()]
        self.optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-15)
        self.step = 0
        self.recoveries = 0
        self._good: dict[str, Any] | None = None

    @property
    def share(self) -> float:
        """How much of the stage is done, 0..1."""
        return self.step / self.steps

    @property
    def finished(self) -> bool:
        return self.step >= self.steps

    def learners(self) -> dict[str, Learner]:
        """What learns beside the stage's own modules; part of its state."""
        return {}

    def prepare(self) -> None:
        """What a step does once before its turns."""

    @abstractmethod
    def loss(self) -> tuple[Tensor, Answer]:
        """The loss of this step (the share of this rank and turn), and what the caller of `advance` wants to know."""

    def part(self, views: int, together: int) -> Part:
        """The views of a step that this rank looks through in this turn, see `Ranks.part`."""
        return self.ranks.part(views, together).cut(self.turn, self.turns, together)

    def advance(self) -> Answer:
        """One optimiser step. Raises TrainingDiverged when going back did not help."""
        if self.step % SNAPSHOT_EVERY == 0:
            self._follow_first()
            self._good = copy.deepcopy(self.state())
        self.optimiser.zero_grad(set_to_none=True)
        self.prepare()
        loss, answer = self._all_turns()
        self.ranks.sum_gradients(self._parameters())
        cooled = max(0.0, (self.share - self._cool_from) / (1 - self._cool_from))
        for group, rate in zip(self.optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * 0.5**self.recoveries * (1 - (1 - COOLEST) * cooled)
        self.optimiser.step()
        self.step += 1
        # Looking at every value waits for the device, so it is done once in a while.
        if (self.step % SNAPSHOT_EVERY == 0 or self.finished) and not self._finite(loss):
            self._go_back()
        if self.finished:
            self._follow_first()
        return answer

    def _all_turns(self) -> tuple[Tensor, Answer]:
        """The gradients of all turns; their loss, and the first turn's answer."""
        before = [one.get_state() for one in self._generators]
        self.turn = 0
        loss, answer = self.loss()
        loss.backward()
        loss = loss.detach()
        for turn in range(1, self.turns):
            self.turn = turn
            for one, state in zip(self._generators, before, strict=True):
                one.set_state(state)  # every turn draws the whole batch and looks through its part
            more, _ = self.loss()
            more.backward()
            loss += more.detach()
        return loss, answer

    def _follow_first(self) -> None:
        for module in self._modules.values():
            self.ranks.follow_first([*module.parameters(), *module.buffers()])

    def _parameters(self) -> list[Tensor]:
        return [one for group in self.optimiser.param_groups for one in group["params"]]

    def _finite(self, loss: Tensor) -> bool:
        finite = math.isfinite(float(loss.detach())) and all(bool(one.isfinite().all()) for one in self._parameters())
        return self.ranks.all_agree(finite, loss.device)

    def _go_back(self) -> None:
        recoveries = self.recoveries + 1
        if recoveries > MOST_RECOVERIES or self._good is None:
            raise TrainingDiverged(
                f"The {self.name} stage gave values that are not finite {recoveries} times.",
                hint="Choose another seed or prior, or lower `effort`; if it stays, the prior's weights may be broken.",
                stage=self.name,
            )
        self.load(self._good)
        self.recoveries = recoveries
        # Another stretch of random numbers, or the same step would fail in the same way.
        self.generator.manual_seed(int(torch.randint(2**62, (), generator=self.generator)) + recoveries)

    def state(self) -> dict[str, Any]:
        """Everything needed to go on from here."""
        return {
            "step": self.step,
            "recoveries": self.recoveries,
            "modules": {key: module.state_dict() for key, module in self._modules.items()},
            "optimiser": self.optimiser.state_dict(),
            "learners": {key: one.state() for key, one in self.learners().items()},
            "generators": [one.get_state() for one in self._generators],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from a state of `state`."""
        self.step, self.recoveries = state["step"], state["recoveries"]
        for key, module in self._modules.items():
            module.load_state_dict(state["modules"][key])
        # A copy, because the optimiser would otherwise go on working in the tensors of the state.
        self.optimiser.load_state_dict(copy.deepcopy(state["optimiser"]))
        for key, learner in self.learners().items():
            learner.load(state["learners"][key])
        for one, drawn in zip(self._generators, state["generators"], strict=True):
            one.set_state(drawn)
