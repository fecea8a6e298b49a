# SPDX-License-Identifier: GPL-3.0-or-later
"""What Maquette asks of a pretrained image model, and nothing more.

A `Prior` answers one question: given noisy images, a time step, texts and cameras, what is the noise and what is the
clean image? Around it stand the doors in and out of the model's own space (`encode`, `decode`) and of its language
(`embed`). Recipes and distillation know priors only through this class; how a checkpoint is loaded is the business of
the modules beside it, and which one is chosen that of `backend.priors.catalog`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from backend.priors.noise import NoiseSchedule, Prediction, classifier_free_guidance
from backend.priors.views import ViewCondition
from backend.transfer import sent

GREY = 0.5  # colour behind the object wherever a prior looks at an image


@dataclass(frozen=True)
class TextEmbedding:
    """Texts as a prior's network reads them, one a row.

    Attributes:
        tokens: (B, L, D) context for cross-attention.
        mask: (B, L) 1 where a token counts, or None when the network reads all L. It may stay on the CPU where the
            host has to know the lengths.
        pooled: (B, P) one vector a text, or None when the network wants none.
    """

    tokens: Tensor
    mask: Tensor | None = None
    pooled: Tensor | None = None

    def __len__(self) -> int:
        return int(self.tokens.shape[0])

    def __getitem__(self, index: slice | Tensor | list[int]) -> TextEmbedding:
        """Rows by slice or by index; an index may name a row several times."""
        which = torch.tensor(index) if isinstance(index, list) else index

        def rows(part: Tensor) -> Tensor:
            return part[sent(which, part.device) if isinstance(which, Tensor) else which]

        return TextEmbedding(*(None if part is None else rows(part) for part in self._parts()))

    def expand(self, count: int) -> TextEmbedding:
        """One text for `count` images; a batch of `count` texts is returned as it is."""
        if len(self) == count:
            return self
        if len(self) != 1:
            raise ValueError(f"{len(self)} texts cannot stand beside {count} images")
        return TextEmbedding(*(None if part is None else part.expand(count, *part.shape[1:])
                               for part in self._parts()))

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> TextEmbedding:
        return TextEmbedding(*(None if part is None else part.to(device=device, dtype=dtype)
                               for part in self._parts()))

    @staticmethod
    def concatenate(parts: Sequence[TextEmbedding]) -> TextEmbedding:
        """One batch from several of the same prior."""
        columns = zip(*(part._parts() for part in parts), strict=True)
        return TextEmbedding(*(None if column[0] is None else torch.cat(column) for column in columns))

    def _parts(self) -> tuple[Tensor | None, ...]:
        return self.tokens, self.mask, self.pooled


@dataclass(frozen=True)
class PriorTraits:
    """What the rest of Maquette may know about a prior before using it.

    Attributes:
        name: how reports and panels call it.
        revision: tells two versions of the weights apart; part of the key under which embeddings are cached.
        resolution: height and width in pixels of the images that it was trained on.
        channels: 'rgb', or 'rgba' where the fourth channel is the object's coverage.
        latent_shape: (C, h, w) of its own space at `resolution`.
        latent_scale: pixels of the image to one cell of that space; 1 for priors in pixels.
        knows_camera: takes a `ViewCondition`; the others are told by words in the prompt.
        knows_light: tells lit images from plain surface colour.
        views_together: how many views it denoises at once (4 for MVDream); batches must be multiples of it.
        takes_guidance: its answers to two texts may be set against each other. False for networks distilled to a few
            steps (FLUX.1 schnell, the turbo models): guidance is in their weights, and more of it burns the picture.
        usual_scale: the guidance at which it draws its best single pictures; recipes' own scales stand beside the 7.5
            of Stable Diffusion.
    """

    name: str
    revision: str
    resolution: int
    channels: Literal["rgb", "rgba"]
    latent_shape: tuple[int, int, int]
    latent_scale: int = 1
    knows_camera: bool = False
    knows_light: bool = False
    views_together: int = 1
    takes_guidance: bool = True
    usual_scale: float = 7.5

    @property
    def channel_count(self) -> int:
        return 4 if self.channels == "rgba" else 3

    @property
    def is_latent(self) -> bool:
        return self.latent_scale != 1


class Prior(ABC):
    """A pretrained diffusion model as a source of gradients.

    Attributes:
        traits: what it is; see `PriorTraits`.
        noise: its noise levels and prediction type.
        device, dtype: of its networks. Images, noisy samples and predictions are float32 whatever the dtype.
        texts_apart: the branches of guidance pass through the network one after another; takes less memory.
    """

    traits: PriorTraits
    noise: NoiseSchedule
    device: torch.device
    dtype: torch.dtype
    texts_apart: bool = False

    @property
    def num_timesteps(self) -> int:
        return self.noise.num_timesteps

    @property
    def alphas_cumprod(self) -> Tensor:
        """(T,) float32."""
        return self.noise.alphas_cumprod

    @abstractmethod
    def embed(self, prompts: Sequence[str]) -> TextEmbedding:
        """Texts to embeddings, B in and B out. "" is the text for the unconditional branch of guidance."""

    def at(self, size: int) -> Prior:
        """The same network drawing pictures of `size` pixels, where it can draw several sizes; otherwise itself."""
        return self

    def release_text(self) -> None:
        """Frees the text encoder where it is large; known prompts stay embedded, new ones load it again."""
        return

    def read_text_on(self, device: torch.device) -> None:
        """Where a large text encoder reads prompts from now on."""
        return

    @abstractmethod
    def encode(self, images: Tensor, cheap: bool = False) -> Tensor:
        """Images (B, 3 or 4, H, W) in 0..1 of any size to (B, C, h, w) in the prior's space. Differentiable.

        `cheap` asks a latent prior for gradients through a linear stand-in of its encoder; values stay exact.
        """

    @abstractmethod
    def decode(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to images (B, 3 or 4, resolution, resolution), clamped to 0..1. No gradient."""

    @abstractmethod
    def network(self, x_t: Tensor, t: Tensor, text: TextEmbedding, view: ViewCondition | None) -> Tensor:
        """One forward pass, with gradients if they are enabled: the network's own answer (B, C, h, w) float32."""

    def predict(self, x_t: Tensor, t: Tensor, text: TextEmbedding, view: ViewCondition | None = None) -> Prediction:
        """The prior's belief about noisy samples, without a gradient.

        Args:
            x_t: (B, C, h, w) float32.
            t: (B,) int64 in 0..num_timesteps - 1.
            text: B texts, or one for all.
            view: B views; needed by priors that know the camera, ignored by the others.
        """
        return self.predict_branches(x_t, t, [text], view)[0]

    def predict_branches(
        self, x_t: Tensor, t: Tensor, texts: Sequence[TextEmbedding], view: ViewCondition | None = None
    ) -> list[Prediction]:
        """The belief under each of several texts (with and without condition, say) in one forward pass."""
        if self.texts_apart and len(texts) > 1:
            return [self.predict_branches(x_t, t, [text], view)[0] for text in texts]
        branches, count = len(texts), len(x_t)
        if self.traits.knows_camera and view is None:
            raise ValueError(f"{self.traits.name} knows the camera, so it must be told the views")
        text = TextEmbedding.concatenate([one.expand(count) for one in texts])
        views = None if view is None else view.repeat(branches)
        with torch.inference_mode():
            output = self.network(x_t.detach().repeat(branches, 1, 1, 1), t.repeat(branches), text, views).float()
        # The copy is an ordinary tensor again: what inference mode makes can't take part in a later backward pass.
        return [self.noise.from_output(part, x_t.detach(), t) for part in output.clone().chunk(branches)]

    def guided(
        self, x_t: Tensor, t: Tensor, positive: TextEmbedding, negative: TextEmbedding, view: ViewCondition | None,
        scale: float,
    ) -> tuple[Prediction, Prediction]:
        """(the belief under guidance, the plain conditional one); one forward pass, of 2B images unless `scale` is 1.

        Above 1, a prior that takes no guidance answers as at 1, where the two are the same object.
        """
        scale = scale if self.traits.takes_guidance else min(scale, 1.0)
        if scale == 1.0:
            only = self.predict(x_t, t, positive, view)
            return only, only
        without, conditional = self.predict_branches(x_t, t, [negative, positive], view)
        return Prediction(classifier_free_guidance(without.eps, conditional.eps, scale),
                          classifier_free_guidance(without.x0, conditional.x0, scale)), conditional

    def pack(self, colour: Tensor, alpha: Tensor) -> Tensor:
        """A renderer's output as this prior wants to see it. Differentiable.

        Args:
            colour: (B, H, W, 3) sRGB in 0..1, premultiplied by nothing: the plain colour of what is seen.
            alpha: (B, H, W, 1) coverage in 0..1.

        Returns:
            (B, 3 or 4, H, W): colour over mid grey, and coverage as the fourth channel for 'rgba' priors.
        """
        return self.pack_composited(colour * alpha + GREY * (1 - alpha), alpha)

    def pack_composited(self, composited: Tensor, alpha: Tensor) -> Tensor:
        """As `pack`, for colour (B, H, W, 3) that already lies over mid grey."""
        image = composited if self.traits.channels == "rgb" else torch.cat([composited, alpha], dim=-1)
        return image.permute(0, 3, 1, 2)

    def sample(
        self,
        prompt: str | Sequence[str],
        views: ViewCondition | None = None,
        steps: int = 25,
        seed: int = 0,
        guidance: float = 3.0,
        negative_prompt: str = "",
    ) -> Tensor:
        """Images (B, 3 or 4, resolution, resolution) in 0..1 from nothing but text (and views); see `sampling`."""
        from backend.priors.sampling import sample  # imports this module

        return sample(self, prompt, views, steps=steps, seed=seed, guidance=guidance, negative_prompt=negative_prompt)


def resize(images: Tensor, size: int) -> Tensor:
    """Images (B, C, H, W) to (B, C, size, size); whole-number reductions are exact averages. Differentiable."""
    height, width = images.shape[-2:]
    if (height, width) == (size, size):
        return images
    if height == width and height % size == 0:
        return functional.avg_pool2d(images, height // size)
    return functional.interpolate(images, size=(size, size), mode="bilinear", align_corners=False,
                                  antialias=height > size or width > size)
