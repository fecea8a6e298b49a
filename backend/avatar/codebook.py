# SPDX-License-Identifier: GPL-3.0-or-later
"""Which body do the words mean, in the eyes of a network that knows pictures and words?

AvatarCLIP's method (Hong et al. 2022, section 3.2): a codebook of bodies by K-means in a latent space of shapes; a body
is scored by the cosine between the *change* of its picture from the neutral body's and the change of the text from the
neutral text. The difference on both sides cancels what all pictures of bodies and all sentences about people share.
Any CLIP folder of transformers serves (`ClipEyes`); the embedded scorer has seen too few people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from torch import Tensor
from torch.nn import functional

from backend.avatar.body import ADULT, AXES, Body, BodyAsset, body_asset, corner_weights
from backend.geometry.mesh import vertex_normals
from backend.render.cameras import DEFAULT_FOV, orbit
from backend.render.raster import WarpRasteriser
from protocol.errors import BrokenWeights, PriorNotFound

NEUTRAL = "a 3d rendering of a person in unreal engine"  # [AvatarCLIP]
TARGET = "a 3d rendering of {} in unreal engine"
AZIMUTH = np.radians(-30.0)  # [AvatarCLIP] 150 degrees in its own frame: from the front, a little aside
ENTRIES = 2048  # [AvatarCLIP]
DRAWS = 4  # bodies drawn for each entry
BEST = 8  # entries whose bodies are averaged, weighted by how far they stand above the rest
STAGE = 2.3  # metres that the picture's frame is high: the same for all, so that height shows
PICTURE = 224

Sliders = dict[str, float]


class Eyes(Protocol):
    """An image-text network."""

    name: str

    def of_texts(self, texts: Sequence[str]) -> Tensor: ...  # (N, D)

    def of_pictures(self, pictures: Tensor) -> Tensor: ...  # (N, 3, H, W) sRGB 0..1 -> (N, D)


class ClipEyes:
    """A CLIP in the format of transformers, from a folder, offline."""

    def __init__(self, folder: Path, device: torch.device | str = "cpu"):
        from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel

        if not (folder / "config.json").exists():
            raise PriorNotFound(f"There is no CLIP in {folder}: it has no config.json.",
                                hint="Name a folder with a CLIP model of transformers, its tokenizer and preprocessor.")
        try:
            self._model: Any = CLIPModel.from_pretrained(folder, local_files_only=True).to(device).eval()
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            processor = CLIPImageProcessor.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise BrokenWeights(f"{folder} could not be loaded as a CLIP: {str(error).splitlines()[0][:300]}",
                                hint="Download it again, or leave the setting empty to go by words alone.") from error
        self.device = torch.device(device)
        self.size = int(self._model.config.vision_config.image_size)
        self.name = "clip " + hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()[:12]
        self._mean = torch.tensor(processor.image_mean, device=device).view(1, 3, 1, 1)
        self._spread = torch.tensor(processor.image_std, device=device).view(1, 3, 1, 1)

    @torch.no_grad()
    def of_texts(self, texts: Sequence[str]) -> Tensor:
        """(N, D) unit vectors."""
        tokens = self._tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt").to(self.device)
        out = self._model.text_model(**tokens)
        return functional.normalize(self._model.text_projection(out.pooler_output), dim=-1)

    @torch.no_grad()
    def of_pictures(self, pictures: Tensor) -> Tensor:
        """(N, D) unit vectors."""
        small = functional.interpolate(pictures.to(self.device), (self.size, self.size), mode="bicubic",
                                       antialias=True, align_corners=False).clamp(0, 1)
        out = self._model.vision_model((small - self._mean) / self._spread)
        return functional.normalize(self._model.visual_projection(out.pooler_output), dim=-1)


@dataclass(frozen=True, eq=False)
class Codebook:
    """bodies: sliders of each entry (K, len(AXES)) in the order of AXES."""

    bodies: NDArray[np.float64]

    def sliders(self, entry: int) -> Sliders:
        return dict(zip(AXES, self.bodies[entry].tolist(), strict=True))

    def __len__(self) -> int:
        return len(self.bodies)


def make_codebook(entries: int = ENTRIES, seed: int = 0, asset: BodyAsset | None = None) -> Codebook:
    """K-means in the latent space of the asset's shapes; each entry is the drawn body nearest to its centre."""
    asset = asset or body_asset()
    rng = np.random.default_rng(seed)
    drawn = _draw(rng, entries * DRAWS)
    latent = np.stack([corner_weights(dict(zip(AXES, row, strict=True))) @ asset._corners for row in drawn])
    latent /= latent.std()
    centres, label = kmeans2(latent, entries, seed=rng, minit="++", iter=10)
    gap = ((latent - centres[label]) ** 2).sum(1)
    order = np.lexsort((gap, label))
    first = order[np.r_[True, label[order][1:] != label[order][:-1]]]
    return Codebook(drawn[first])


def _draw(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """(count, 6) sliders as people are: adults mostly, all builds."""
    columns = {
        "gender": rng.integers(0, 2, count).astype(float),
        "age": rng.choice([0.35, 0.5, 0.65, 0.7, 0.75, 0.85, 1.0], count),
        "muscle": rng.uniform(0, 1, count), "weight": rng.uniform(0, 1, count), "height": rng.beta(2.5, 2.5, count),
        "proportions": rng.uniform(0, 0.4, count),
    }  # fmt: skip
    columns["age"] = np.clip(columns["age"] + rng.normal(0, 0.03, count), 0, 1)
    return np.stack([columns[name] for name in AXES], 1)


def picture_of(body: Body, size: int = PICTURE) -> Tensor:
    """(3, size, size) sRGB of a grey body in soft light on white, in a frame of fixed height."""
    scale = 1.6 / STAGE
    points = (body.vertices - [0.0, 0.0, STAGE / 2.2]) * scale
    faces = torch.from_numpy(np.ascontiguousarray(body.asset.triangles))
    cameras = orbit(torch.tensor([AZIMUTH], dtype=torch.float32), torch.tensor([0.05]), 3.0, DEFAULT_FOV, size * 2)
    rasteriser = WarpRasteriser()
    fragments = rasteriser.rasterise(torch.from_numpy(points.astype(np.float32)), faces, cameras)
    normals = torch.from_numpy(vertex_normals(body.vertices, body.asset.triangles))
    seen = functional.normalize(rasteriser.interpolate(normals, faces, fragments), dim=-1)
    light = functional.normalize(cameras.positions[0] + torch.tensor([0.6, 0.0, 1.5]), dim=0)
    grey = 0.3 + 0.55 * (seen @ light).clamp(min=0)
    picture = torch.where(fragments.mask, grey, torch.ones_like(grey))
    return functional.avg_pool2d(picture[:, None], 2)[0].expand(3, -1, -1)


def look_at(codebook: Codebook, eyes: Eyes, tell: Callable[[float], None] = lambda share: None) -> tuple[Tensor,
Tensor]:
    """(vectors of the entries' pictures (K, D), of the neutral body's (D,)): made once for a pair, then kept."""
    asset = body_asset()
    neutral = eyes.of_pictures(picture_of(asset.evaluate(ADULT))[None])[0]
    rows = []
    for start in range(0, len(codebook), 16):
        tell(start / len(codebook))
        some = [picture_of(asset.evaluate(codebook.sliders(k))) for k in range(start, min(start + 16, len(codebook)))]
        rows.append(eyes.of_pictures(torch.stack(some)))
    return torch.cat(rows), neutral


def best_of(
    who: str, decided: Collection[str], folder: Path, kept: MutableMapping[str, Any], device: torch.device | str,
    tell: Callable[[float], None], entries: int = ENTRIES,
) -> Sliders:
    """`choose_body` with the CLIP of a folder; the network, the codebook and what it looked like are kept in `kept`,
    so that only the first job of a process waits for them."""
    key = f"clip {folder} {device} {entries}"
    if key not in kept:
        eyes, codebook = ClipEyes(folder, device), make_codebook(entries)
        kept[key] = eyes, codebook, look_at(codebook, eyes, tell)
    eyes, codebook, seen = kept[key]
    return choose_body(who, decided, eyes, codebook, seen)


def scores(vectors: Tensor, neutral: Tensor, eyes: Eyes, who: str) -> Tensor:
    """(K,) cosine between the change of picture and the change of text."""
    target, plain = eyes.of_texts([TARGET.format(who), NEUTRAL])
    return functional.cosine_similarity(vectors - neutral, (target - plain)[None], dim=-1)


def best_body(codebook: Codebook, values: Tensor) -> Sliders:
    """The mean of the BEST bodies, each weighted by how far it stands above the next; one of them decides the sex."""
    top = torch.topk(values, min(BEST + 1, len(values)))
    weight = (top.values[:-1] - top.values[-1]).clamp_min(1e-6).cpu().numpy().astype(np.float64)
    rows = codebook.bodies[top.indices[:-1].cpu().numpy()]
    mean = (rows * weight[:, None]).sum(0) / weight.sum()
    out = dict(zip(AXES, mean.tolist(), strict=True))
    out["gender"] = float(round(out["gender"]))
    return out


def choose_body(
    who: str, decided: Collection[str], eyes: Eyes, codebook: Codebook, seen: tuple[Tensor, Tensor]
) -> Sliders:
    """Sliders that the network finds for the words, but for those that the words have `decided`: so these stay
    monotone. `seen`: of `look_at`."""
    found = best_body(codebook, scores(*seen, eyes, who))
    return {name: value for name, value in found.items() if name not in decided}
