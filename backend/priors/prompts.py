# SPDX-License-Identifier: GPL-3.0-or-later
"""One prompt, read once, for every view of an object.

A prior that knows the camera gets the prompt as it is. To one that knows only text the view is told in words, "...,
front view" and so on, chosen by azimuth and elevation, which is the first remedy against objects with two faces
(Poole et al. 2022, section 3.2). All texts are embedded when the book is made, so that the text encoder is never needed
again during optimisation.
"""

from __future__ import annotations

from collections.abc import Sequence

from backend.priors.base import Prior, TextEmbedding
from backend.priors.views import VIEW_WORDS, ViewCondition, ViewWord


def with_view(prompt: str, word: ViewWord) -> str:
    """The prompt with its view in words, in the wording of threestudio and stable-dreamfusion."""
    return f"{prompt}, {word} view"


class PromptBook:
    """Embeddings of a prompt, its view-dependent variants and its negative prompt.

    Args:
        prior: whose language is spoken.
        prompt: what the object is.
        negative_prompt: what it must not be; the unconditional branch of guidance reads it instead of "".
        view_words: force view words on or off; None uses them exactly when the prior does not know the camera.
    """

    def __init__(self, prior: Prior, prompt: str, negative_prompt: str = "", view_words: bool | None = None) -> None:
        self.prompt = prompt
        self.negative_prompt = negative_prompt
        self.uses_view_words = (not prior.traits.knows_camera) if view_words is None else view_words
        texts: Sequence[str] = [negative_prompt, prompt]
        if self.uses_view_words:
            texts = [*texts, *(with_view(prompt, word) for word in VIEW_WORDS)]
        if negative_prompt:
            texts = [*texts, ""]
        self._rows = prior.embed(texts)

    @property
    def embeddings(self) -> TextEmbedding:
        """All rows: negative prompt, plain prompt, then front, side, back, overhead where view words are used, and ""
        where there is a negative prompt."""
        return self._rows

    def positive(self, count: int, view: ViewCondition | None = None) -> TextEmbedding:
        """The prompt for `count` images, with view words where they are used and the views are known."""
        if not self.uses_view_words or view is None:
            return self._rows[1:2].expand(count)
        return self._rows[[2 + VIEW_WORDS.index(word) for word in view.words()]]

    def negative(self, count: int) -> TextEmbedding:
        """The negative prompt (or "") for `count` images."""
        return self._rows[0:1].expand(count)

    def empty(self, count: int) -> TextEmbedding:
        """"" for `count` images, whatever the negative prompt."""
        row = (len(self._rows) - 1) if self.negative_prompt else 0
        return self._rows[row:row + 1].expand(count)

    def for_word(self, word: ViewWord) -> TextEmbedding:
        """The prompt seen from one side, a single row. Raises ValueError where view words are not used."""
        if not self.uses_view_words:
            raise ValueError("this prompt book has no view words: its prior knows the camera")
        return self._rows[[2 + VIEW_WORDS.index(word)]]
