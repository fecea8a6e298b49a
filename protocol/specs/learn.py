# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn: a few pictures of a thing, or in a style, become a word that every prompt can use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from .. import checks
from ..arrays import Descriptor
from ..errors import BadRequest
from .base import MAX_SEED, Input, Spec
from .texture import MAX_PICTURE_BYTES

METHODS = ("lora", "textual_inversion")
SUBJECTS = ("object", "style")
FEWEST_PICTURES, MOST_PICTURES = 3, 8
WORD_PATTERN = "[a-z][a-z0-9_-]{1,31}"


@dataclass(frozen=True)
class LearnSpec(Spec):
    """Pictures become a word.

    word: the word that prompts will use for it, 2 to 32 characters: small letters, digits, - and _, a letter first;
    best one that means nothing yet. noun: what kind of thing the pictures show ("mug"), 1 to 63 characters; for a style
    what they are pictures of, or empty. subject: `object`, a thing with its own looks, or `style`, a way to look.
    method: `lora` (DreamBooth: low-rank changes of the prior's attention, learned beside what the noun means
    otherwise), or `textual_inversion` (a new word vector, the prior stays as it is). prior: as of a text to 3D job; the
    word can be used with this prior only. rank: of the changes, 1 to 128. vectors: of the word, 1 to 8. steps: 0 for
    the method's own, otherwise 10 to 20,000. learning_rate: 0 for the method's own, otherwise 1e-6 to 0.1.
    preservation: 0 to 10, the weight with which pictures that the prior makes of the noun alone stay what they are
    (only `lora` of an object; 0 leaves them out). seed: 0 to 2^63 - 1, or None to let the worker draw one.

    Inputs: picture_0 to picture_7, 3 to 8 of them, PNG, JPEG or WebP files of any size; what is transparent counts as
    background. views, where it is known from where the pictures look: azimuth, elevation (radians) and zoom of each, in
    the order of the pictures.

    Raises BadRequest (or TooLarge) naming the field.
    """

    kind: ClassVar[str] = "learn"
    INPUTS: ClassVar[tuple[Input, ...]] = (
        *(Input(f"picture_{number}", ("|u1",), (None,), required=False, maximum=MAX_PICTURE_BYTES)
          for number in range(MOST_PICTURES)),
        Input("views", ("<f4",), (None, 3), required=False),
    )

    word: str
    noun: str = ""
    subject: str = "object"
    method: str = "lora"
    prior: str = ""
    rank: int = 8
    vectors: int = 2
    steps: int = 0
    learning_rate: float = 0.0
    preservation: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        checks.text(32)(self.word, "word")
        checks.text(63, printable=True)(self.noun, "noun")
        checks.one_of(*SUBJECTS)(self.subject, "subject")
        checks.one_of(*METHODS)(self.method, "method")
        if not self.word.strip():
            raise BadRequest("The word is empty.", path="word", hint="Invent one that means nothing yet: zorblu, say.")
        checks.text(32, pattern=WORD_PATTERN)(self.word, "word")
        if self.subject == "object" and not self.noun.strip():
            raise BadRequest("The noun is empty.", path="noun",
                             hint="Say what kind of thing the pictures show, for instance mug.")
        if self.word == self.noun.strip().lower():
            raise BadRequest(f"The word and the noun are both {self.word!r}.", path="word",
                             hint="Invent a word that means nothing yet.")
        checks.text(1024, printable=True)(self.prior, "prior")
        checks.integer(1, 128)(self.rank, "rank")
        checks.integer(1, 8)(self.vectors, "vectors")
        checks.integer(0, 20_000)(self.steps, "steps")
        if 0 < self.steps < 10:
            raise BadRequest(f"steps is {self.steps}, expected 10 to 20000, or 0 to leave it to the worker.",
                             path="steps")
        object.__setattr__(self, "learning_rate", checks.number(0.0, 0.1)(self.learning_rate, "learning_rate"))
        if 0 < self.learning_rate < 1e-6:
            raise BadRequest(f"learning_rate is {self.learning_rate:g}, expected 1e-6 to 0.1, or 0 to leave it to the "
                             "worker.", path="learning_rate")
        object.__setattr__(self, "preservation", checks.number(0.0, 10.0)(self.preservation, "preservation"))
        checks.optional(checks.integer(0, MAX_SEED))(self.seed, "seed")

    @property
    def title(self) -> str:
        """The word and what it stands for."""
        return f"{self.word}: {self.noun or self.subject}"

    def check_inputs(self, inputs: Iterable[Descriptor]) -> None:
        """Whether these arrays may go in with this job. Raises BadRequest or TooLarge naming the input."""
        given = list(inputs)
        super().check_inputs(given)
        pictures = [one for one in given if one.name.startswith("picture_")]
        if len(pictures) < FEWEST_PICTURES:
            raise BadRequest(
                f"Learning a word takes {FEWEST_PICTURES} to {MOST_PICTURES} pictures, {len(pictures)} came in.",
                path="inputs.picture_0", hint="Add pictures of the same thing from other sides.",
                detail={"least": FEWEST_PICTURES, "most": MOST_PICTURES, "got": len(pictures)},
            )
        for one in given:
            if one.name == "views" and one.shape[0] != len(pictures):
                raise BadRequest(f"There are {one.shape[0]} views and {len(pictures)} pictures.", path="inputs.views")
