# SPDX-License-Identifier: GPL-3.0-or-later
"""A prior that understands learned words: what every job makes of the files that go in with its prompt."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from backend.identity.changes import ChangedUNet, Changes
from backend.identity.learned import LORA, Learned, Lesson, read_learned
from backend.identity.words import TaughtReader, says
from backend.priors.base import Prior
from backend.priors.unet_prior import UNetPrior
from protocol.errors import BadRequest
from protocol.specs.base import IDENTITIES


def learned_words(inputs: Mapping[str, NDArray[Any]]) -> dict[str, Learned]:
    """The files among a job's inputs, by input. Raises BadRequest for one that is damaged, or a word that comes twice.
    """
    found: dict[str, Learned] = {}
    for name in (f"identity_{number}" for number in range(IDENTITIES)):
        if name not in inputs:
            continue
        learned = read_learned(inputs[name], f"inputs.{name}")
        if any(other.word == learned.word for other in found.values()):
            raise BadRequest(f"Two of the learned words are {learned.word!r}.", path=f"inputs.{name}",
                             hint="Send one of them, or learn one again under another word.")
        found[name] = learned
    return found


def silent(words: Mapping[str, Learned], prompt: str) -> list[str]:
    """The learned words that the prompt does not say."""
    return [learned.word for learned in words.values() if not says(learned.word, prompt)]


def speaking(prior: Prior, words: Mapping[str, Learned], prompt: str, scale: float = 1.0) -> Prior:
    """The prior with those of the words that the prompt says; itself, to the last bit, when it says none or `scale` is
    0. The prior that goes in stays as it is.

    Raises BadRequest naming the input when a word was learned with another prior.
    """
    spoken = {name: learned for name, learned in words.items() if says(learned.word, prompt)}
    if not spoken or scale == 0:
        return prior
    lessons = [(learned, _lesson(prior, learned, f"inputs.{name}")) for name, learned in spoken.items()]
    assert isinstance(prior, UNetPrior)
    made = copy.copy(prior)
    changes = _changes(prior, [(f"inputs.{name}", lesson) for name, (learned, lesson)
                               in zip(spoken, lessons, strict=True) if learned.method == LORA])
    if changes:
        made.unet = ChangedUNet(prior.unet, changes, scale)
    vectors = {learned.word: next(iter(lesson.tensors.values())) for learned, lesson in lessons
               if learned.method != LORA}
    if vectors:
        made.read = TaughtReader(prior.read, vectors)
    return made


def _lesson(prior: Prior, learned: Learned, path: str) -> Lesson:
    lesson = learned.lesson_for(prior.traits.revision)
    if lesson is None or not isinstance(prior, UNetPrior):
        raise BadRequest(
            f"The word {learned.word!r} was learned with {learned.priors}, and this job uses {prior.traits.name} (or "
            "other weights of that name).", path=path,
            hint=f"Set `prior` to the one that it was learned with, or learn {learned.word!r} again with this one.",
            detail={"word": learned.word, "learned": [one.revision for one in learned.lessons],
                    "prior": prior.traits.revision},
        )
    return lesson


def _changes(prior: UNetPrior, lessons: Sequence[tuple[str, Lesson]]) -> list[Changes]:
    made = []
    for path, lesson in lessons:
        try:
            made.append(Changes.of(prior.unet, lesson.tensors))
        except ValueError as problem:
            raise BadRequest(f"The learned word does not fit {prior.traits.name}: {problem}.", path=path,
                             hint="Learn it again.") from problem
    return made
