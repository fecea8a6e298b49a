# SPDX-License-Identifier: GPL-3.0-or-later
"""Learning a word: a few pictures under noise, and what the prior must change to recognise them by the word.

DreamBooth (Ruiz et al. 2023) with low-rank changes in place of the whole network, or a word vector (textual inversion,
Gal et al. 2022). Prior preservation (Ruiz et al., section 3.2) holds what the noun means without the word: the answers
about pictures that the prior itself made of the noun are to stay those of the unchanged network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backend.identity.changes import Changes
from backend.identity.words import Teacher, first_vectors
from backend.jobs.stage import Stage
from backend.priors.base import TextEmbedding
from backend.priors.noise import Prediction
from backend.priors.text import TeachableText
from backend.priors.unet_prior import UNetPrior
from backend.priors.views import ViewCondition

T_MIN, T_MAX = 0.02, 0.98  # shares of the time steps that are learned from
COOL_FROM = 0.6
KEPT_EVERY = 2  # steps between two looks at what must stay; measured, the noun alone moves no more than with every step


@dataclass(frozen=True, eq=False)
class Examples:
    """x: (N, C, h, w) in the prior's space. views: of each, or None where the prior asks for none. captions: of which
    one is drawn each time."""

    x: Tensor
    views: ViewCondition | None
    captions: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.x) or not self.captions or (self.views is not None and len(self.views) != len(self.x)):
            raise ValueError("examples are pictures with a view each, and a caption")


class LessonStage(Stage[float]):
    """A word under optimisation; `advance` answers with the loss on the examples.

    Args:
        prior: learned with; it stays as it is.
        own: what the word stands for. kept: what must stay as it is, or None.
        batch: pictures a step, of each of the two.
        preservation: weight of what stays.
        steps, rate, seed: of the optimisation.
    """

    def __init__(
        self, prior: UNetPrior, student: Student, own: Examples, kept: Examples | None, *, batch: int,
        preservation: float, steps: int, rate: float, seed: int,
    ) -> None:
        self.prior, self.student, self.own = prior, student, own
        self.kept = kept if preservation > 0 else None
        self.batch, self.preservation = batch, preservation
        super().__init__("learn", steps, {"student": (student, rate)}, {}, COOL_FROM,
                         torch.Generator().manual_seed(seed))

    def loss(self) -> tuple[Tensor, float]:
        """How wrong the prior is about the examples, and how far it went from itself on what must stay."""
        x_t, t, view, wanted, caption = self._draw(self.own)
        text = self.student.read([caption])
        with self.student.speaking():
            answer = self.prior.network(x_t, t, text.expand(len(x_t)), view)
        own = (answer - wanted).square().mean()
        if self.kept is None or self.step % KEPT_EVERY:
            return own, float(own.detach())
        x_t, t, view, _, caption = self._draw(self.kept)
        text = self.student.read([caption]).expand(len(x_t))
        with torch.no_grad():
            usual = self.prior.network(x_t, t, text, view)
        with self.student.speaking():
            answer = self.prior.network(x_t, t, text, view)
        return own + self.preservation * (answer - usual).square().mean(), float(own.detach())

    def _draw(self, examples: Examples) -> tuple[Tensor, Tensor, ViewCondition | None, Tensor, str]:
        """(noisy pictures, time steps, views, what the network should answer, the caption)."""
        count = self.prior.num_timesteps
        device = self.prior.device
        some = torch.randint(len(examples.x), (self.batch,), generator=self.generator)
        t = torch.randint(round(T_MIN * count), round(T_MAX * count), (self.batch,), generator=self.generator)
        x = examples.x[some.to(device)]
        noise = torch.randn(x.shape, generator=self.generator).to(device)
        which = int(torch.randint(len(examples.captions), (), generator=self.generator))
        t = t.to(device)
        x_t = self.prior.noise.add_noise(x, noise, t)
        view = None if examples.views is None else examples.views[some.to(device)]
        return x_t, t, view, self.prior.noise.to_output(Prediction(noise, x), t), examples.captions[which]


class Student(nn.Module, ABC):
    """What is learned. The parameters are what the optimiser moves."""

    def speaking(self) -> AbstractContextManager[None]:
        """While it lasts the prior's network answers as the student."""
        return nullcontext()

    @abstractmethod
    def read(self, captions: Sequence[str]) -> TextEmbedding:
        """Captions to embeddings, on the prior's device."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """What goes into the file."""


class ChangesStudent(Student):
    """Low-rank changes of the network; the text encoder reads as ever."""

    def __init__(self, prior: UNetPrior, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self.changes = Changes(prior.unet, rank, generator)
        self._prior = [prior]  # in a list, so that its weights are not the student's

    def speaking(self) -> AbstractContextManager[None]:
        return self.changes.speaking()

    def read(self, captions: Sequence[str]) -> TextEmbedding:
        return self._prior[0].embed(captions)

    def tensors(self) -> dict[str, Tensor]:
        return self.changes.tensors()


class WordStudent(Student):
    """A word's vectors, begun at its noun's; the network answers as ever. The vectors keep the length of ordinary ones.
    """

    def __init__(
        self, prior: UNetPrior, network: TeachableText, word: str, noun: str, count: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.word = word
        self.vectors = nn.Parameter(first_vectors(network, noun, count, generator).to(prior.device))
        self._teacher = [Teacher(network, {word: self.vectors})]
        self._prior = [prior]

    def read(self, captions: Sequence[str]) -> TextEmbedding:
        return self._teacher[0](captions).to(self._prior[0].device, self._prior[0].dtype)

    def tensors(self) -> dict[str, Tensor]:
        return {self.word: self.vectors.detach().cpu().clone()}
