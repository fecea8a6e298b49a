# SPDX-License-Identifier: GPL-3.0-or-later
"""The trained scorer behind a few plain calls.

A score of one object is the mean over its views: a sentence is told from the whole of an object, and a mug without its
handle in sight is still a mug. Prompts are embedded once and kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from backend.embedded.scorer.network import PICTURE_SIZE, ScorerNetwork, Sizes
from protocol.errors import PriorNotFound

WEIGHTS = Path(__file__).parent / "weights"
Encode = Callable[[Sequence[str]], Tensor]
"""Sentences to vectors (P, 384)."""


@dataclass(frozen=True)
class Reading:
    """What a picture, or an object seen in several, is taken for: names with probabilities, likeliest first."""

    kinds: tuple[tuple[str, float], ...]
    colours: tuple[tuple[str, float], ...]
    patterns: tuple[tuple[str, float], ...]

    @property
    def kind(self) -> str:
        return self.kinds[0][0]

    @property
    def colour(self) -> str:
        return self.colours[0][0]

    @property
    def pattern(self) -> str:
        return self.patterns[0][0]


@dataclass(frozen=True)
class Retrieval:
    """R-precision of a set of objects, each of which must find its own prompt among all.

    Attributes:
        share: share of objects whose own prompt comes first (R-precision@1).
        ranks: for each object the rank of its own prompt; 1 is first. A tie counts against the object.
        nearest: for each object the index of the prompt that came first.
        scores: (M, M) mean similarity of object (row) and prompt (column).
    """

    share: float
    ranks: tuple[int, ...]
    nearest: tuple[int, ...]
    scores: Tensor


class Scorer:
    """How well pictures fit sentences. Make one with `Scorer.load`."""

    def __init__(self, network: ScorerNetwork, encode: Encode, device: torch.device):
        self.network = network.eval().to(device)
        self.device = device
        self._encode = encode
        self._sentences: dict[str, Tensor] = {}

    @classmethod
    def load(
        cls,
        device: torch.device | str = "cpu",
        folder: Path = WEIGHTS,
        encode: Encode | None = None,
    ) -> Scorer:
        """Reads `config.json` and `scorer.safetensors`.

        Raises:
            PriorNotFound: the folder does not hold a scorer, or its weights are damaged.
        """
        device = torch.device(device)
        try:
            sizes = Sizes.from_map(json.loads((folder / "config.json").read_text(encoding="utf-8"))["sizes"])
            network = ScorerNetwork(sizes)
            weights = load_file(folder / "scorer.safetensors")
            network.load_state_dict({name: value.float() for name, value in weights.items()}, strict=False)
            missing = {name for name in network.state_dict() if not name.endswith("num_batches_tracked")} - set(weights)
            if missing:
                raise KeyError(f"{len(missing)} tensors are missing, {min(missing)} among them")
        except (OSError, KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as problem:
            raise PriorNotFound(
                f"The scorer in {folder} cannot be read: {problem}",
                hint="Restore the folder from the repository, or train one: python -m backend.embedded.scorer train",
            ) from problem
        return cls(network, encode or _sentence_vectors(device), device)

    @torch.no_grad()
    def similarity(self, images: Tensor, prompts: Sequence[str]) -> Tensor:
        """Cosine (N, P) in -1..1 of each picture and each prompt; times `scale` they are logits.

        Args:
            images: (N, H, W, 3) float32 in 0..1, sRGB-encoded, the object over any background, filling the frame about
                as the default camera does.
            prompts: P sentences.
        """
        return (self._picture_vectors(images)[0] @ self._prompt_vectors(prompts).T).cpu()

    @property
    def scale(self) -> float:
        """The learned factor that turns cosines into logits."""
        return float(self.network.scale().detach())

    def r_precision(self, images: Tensor, prompts: Sequence[str]) -> Retrieval:
        """Lets every object find its prompt among the prompts of all objects.

        Args:
            images: (M, V, H, W, 3) float32 in 0..1: V views of each of M objects.
            prompts: M sentences, all different, in the order of the objects.
        """
        if images.ndim != 5 or len(images) != len(prompts):
            raise ValueError(
                f"images must be (M, V, H, W, 3) with M = {len(prompts)} prompts, got {tuple(images.shape)}"
            )
        if len(set(prompts)) != len(prompts):
            raise ValueError("the prompts must all be different, or no answer is right")
        objects, views = images.shape[:2]
        scores = self.similarity(images.flatten(0, 1), prompts).view(objects, views, -1).mean(dim=1)
        own = scores.diagonal()[:, None]
        ranks = (scores >= own).sum(dim=1)
        nearest = scores.argmax(dim=1)
        return Retrieval(float((ranks == 1).float().mean()), tuple(ranks.tolist()), tuple(nearest.tolist()), scores)

    def read_kind_colour(self, images: Tensor, together: bool = False, best: int = 3) -> list[Reading]:
        """Names what pictures (N, H, W, 3) show, without being given a sentence.

        With `together` the pictures are views of one object and give a single reading: the mean of their log
        probabilities, as if each view were independent evidence.
        """
        with torch.no_grad():
            features = self._picture_vectors(images)[1]
            logs = {
                name: functional.log_softmax(logits, dim=-1) for name, logits in self.network.read(features).items()
            }
        if together:
            logs = {name: value.mean(dim=0, keepdim=True) for name, value in logs.items()}
        sizes = self.network.sizes
        named = {
            name: _likeliest(logs[name].softmax(dim=-1).cpu(), names, best)
            for name, names in (("kind", sizes.kinds), ("colour", sizes.colours), ("pattern", sizes.patterns))
        }
        rows = zip(named["kind"], named["colour"], named["pattern"], strict=True)
        return [Reading(kinds, colours, patterns) for kinds, colours, patterns in rows]

    def _picture_vectors(self, images: Tensor, batch: int = 256) -> tuple[Tensor, Tensor]:
        if images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(f"images must be (N, H, W, 3), got {tuple(images.shape)}")
        vectors, features = [], []
        for part in images.split(batch):
            pictures = part.to(self.device, torch.float32).permute(0, 3, 1, 2)
            if pictures.shape[-2:] != (PICTURE_SIZE, PICTURE_SIZE):
                pictures = functional.interpolate(pictures, size=(PICTURE_SIZE, PICTURE_SIZE), mode="area")
            vector, feature = self.network.embed_pictures(pictures)
            vectors.append(vector)
            features.append(feature)
        return torch.cat(vectors), torch.cat(features)

    def _prompt_vectors(self, prompts: Sequence[str]) -> Tensor:
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._sentences]
        if new:
            vectors = self.network.embed_sentences(self._encode(new).to(self.device, torch.float32))
            self._sentences.update(zip(new, vectors, strict=True))
        return torch.stack([self._sentences[prompt] for prompt in prompts])


def _likeliest(probabilities: Tensor, names: Sequence[str], best: int) -> list[tuple[tuple[str, float], ...]]:
    values, places = probabilities.sort(dim=-1, descending=True)
    return [
        tuple((names[place], float(value)) for value, place in zip(row[:best], order[:best], strict=True))
        for row, order in zip(values.tolist(), places.tolist(), strict=True)
    ]


def _sentence_vectors(device: torch.device) -> Encode:
    """The offline sentence encoder, loaded when the first prompt asks for it."""
    kept: list[Callable[[Sequence[str]], object]] = []

    def encode(prompts: Sequence[str]) -> Tensor:
        from backend.embedded.training.sentences import SentenceEncoder

        if not kept:
            kept.append(SentenceEncoder(device))
        return kept[0](prompts).vector  # type: ignore[attr-defined]

    return encode


def save(network: ScorerNetwork, folder: Path, about: dict[str, object]) -> None:
    """Writes `scorer.safetensors` (fp16) and `config.json` with `about` in it, each with a rename at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value for name, value in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    partial = folder / "scorer.partial"
    save_file({name: value.detach().cpu().half().contiguous() for name, value in state.items()}, partial)
    partial.replace(folder / "scorer.safetensors")
    text = json.dumps({"sizes": network.sizes.to_map(), **about}, indent=2) + "\n"
    partial.write_text(text, encoding="utf-8")
    partial.replace(folder / "config.json")
