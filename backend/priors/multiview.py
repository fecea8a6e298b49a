# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera-conditioned priors other than our own.

`CameraPrior` is any Stable Diffusion folder whose UNet takes a camera as class embedding ("projection"): 16 numbers for
a camera-to-world matrix as in MVDream, or our 11 view numbers. `NovelViewPrior` is a Zero-1-to-3 folder: it knows no
text but one picture, and how the same thing looks from elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from backend.priors.base import PriorTraits, TextEmbedding, resize
from backend.priors.codecs import LatentCodec
from backend.priors.loading import CHOOSE, check_complete, load_component, read_index, weights_revision
from backend.priors.stable_diffusion import StableDiffusionPrior
from backend.priors.stable_diffusion import load as load_stable_diffusion
from backend.priors.text import TextReader
from backend.priors.unet_prior import UNetPrior, noise_from_scheduler, prepare, vae_dtype
from backend.priors.views import VIEW_NUMBERS, ViewCondition
from backend.transfer import sent
from protocol.errors import BrokenWeights

MATRIX_NUMBERS = 16
CAMERA_NUMBERS = (VIEW_NUMBERS, MATRIX_NUMBERS)
# OpenAI CLIP's normalisation of red, green and blue; the same for every CLIP image encoder.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


class CameraPrior(StableDiffusionPrior):
    """A text-to-image UNet that also takes the camera, so that views need no words."""

    def conditioning(self, x_t: Tensor, text: TextEmbedding, view: ViewCondition | None) -> dict[str, Any]:
        if view is None:
            raise ValueError(f"{self.traits.name} needs the views")
        wanted = self.unet.config.projection_class_embeddings_input_dim
        numbers = view.numbers() if wanted == VIEW_NUMBERS else view.camera_matrices()
        return {"class_labels": sent(numbers, text.tokens.device).to(text.tokens)}


def load_camera_prior(folder: Path, device: torch.device, dtype: torch.dtype, cache_folder: Path | None = None,
                      name: str = "") -> CameraPrior:
    """Loads a `StableDiffusionPipeline` folder with a camera as class embedding of 11 or 16 numbers."""
    plain = load_stable_diffusion(folder, device, dtype, cache_folder, name)
    wanted = plain.unet.config.projection_class_embeddings_input_dim
    if wanted not in CAMERA_NUMBERS:
        raise BrokenWeights(
            f"{folder} takes {wanted} camera numbers; Maquette knows {VIEW_NUMBERS} (angles, zoom, light) and "
            f"{MATRIX_NUMBERS} (camera-to-world matrix).", hint=CHOOSE)
    old = plain.traits
    traits = PriorTraits(old.name, old.revision, old.resolution, old.channels, old.latent_shape, old.latent_scale,
                         knows_camera=True, knows_light=wanted == VIEW_NUMBERS)
    return CameraPrior(traits, plain.noise, plain.unet, plain.codec, plain.read, plain.parts)


class NovelViewPrior(UNetPrior):
    """Zero-1-to-3: one picture of a thing, and it denoises the thing seen from elsewhere.

    Call `look_at` before anything else. Any text but "" stands for "the thing in the picture"; "" is the unconditional
    branch, where both the picture's embedding and its latents are zero, as in training.
    """

    def __init__(self, *args: Any, image_encoder: Any, projection: torch.nn.Linear, absolute_polar: bool) -> None:
        super().__init__(*args)
        self._image_encoder = image_encoder
        self._projection = projection
        self._absolute_polar = absolute_polar
        self._reference: tuple[Tensor, Tensor] | None = None
        self._pose = (0.0, 0.0, 1.0)

    def look_at(self, image: Tensor, azimuth: float, elevation: float, zoom: float = 1.0) -> None:
        """Shows the reference: image (3, H, W) in 0..1 over white, and the camera that took it (radians)."""
        size = self._image_encoder.config.image_size
        mean, deviation = (torch.tensor(v, device=self.device).view(1, 3, 1, 1) for v in (CLIP_MEAN, CLIP_DEVIATION))
        pixels = image[None].to(self.device).float()
        small = functional.interpolate(pixels, size=(size, size), mode="bicubic", antialias=True).clamp(0, 1)
        with torch.no_grad():
            embedding = self._image_encoder(((small - mean) / deviation).to(self.dtype)).image_embeds
            vae = self.codec.vae  # type: ignore[attr-defined]
            # The mode, and without the scaling factor: so the concatenated latents were made in training.
            latents = vae.encode((resize(pixels, self.traits.resolution) * 2 - 1).to(vae.dtype)).latent_dist.mode()
        self._reference = embedding, latents.float()
        self._pose = azimuth, elevation, zoom

    def embed(self, prompts: Sequence[str]) -> TextEmbedding:
        """tokens (B, 1, D): the picture's CLIP embedding, or zeros for ""; pooled (B, 1): 1 or 0 likewise."""
        embedding, _ = self._shown()
        said = torch.tensor([[1.0 if prompt else 0.0] for prompt in prompts], device=self.device, dtype=self.dtype)
        return TextEmbedding((embedding * said)[:, None], None, said)

    def pose_numbers(self, view: ViewCondition) -> Tensor:
        """(B, 4) change of camera: polar angle, sine and cosine of azimuth, distance.

        Polar is 90 degrees minus elevation, so its change is the negative one of elevation. Zoom stands for distance,
        which the checkpoints give in units near 1. Stable Zero123 wants the reference's polar angle as the last number.
        """
        azimuth, elevation, zoom = self._pose
        turn = view.azimuth - azimuth
        last = (torch.full_like(turn, torch.pi / 2 - elevation) if self._absolute_polar else view.zoom - zoom)
        return torch.stack([elevation - view.elevation, turn.sin(), turn.cos(), last], dim=-1)

    def network(self, x_t: Tensor, t: Tensor, text: TextEmbedding, view: ViewCondition | None) -> Tensor:
        if view is None or text.pooled is None:
            raise ValueError(f"{self.traits.name} needs the views")
        _, latents = self._shown()
        said = text.pooled
        pose = sent(self.pose_numbers(view), text.tokens.device).to(text.tokens)
        tokens = self._projection(torch.cat([text.tokens, pose[:, None]], dim=-1)) * said[..., None]
        x = torch.cat([x_t, latents * said[..., None, None].float()], dim=1).to(self.dtype)
        return self.unet(x, t, encoder_hidden_states=tokens, return_dict=False)[0].float()

    def _shown(self) -> tuple[Tensor, Tensor]:
        if self._reference is None:
            raise ValueError(f"{self.traits.name} must be shown a picture first (look_at)")
        return self._reference


PROJECTIONS = {"clip_camera_projection": "proj", "cc_projection": "projection"}
"""Component and its linear layer in the two public layouts of Zero-1-to-3 folders."""


def load_novel_view_prior(folder: Path, device: torch.device, dtype: torch.dtype, cache_folder: Path | None = None,
                          name: str = "") -> NovelViewPrior:
    """Loads a Zero-1-to-3 folder in the layout of zero123-xl-diffusers or of diffusers' community pipeline.

    The pipeline class named there is in no released package; the parts are ordinary, so they are loaded one by one and
    no code from the folder runs.
    """
    unet, vae, encoder = (load_component(folder, part, dtype) for part in ("unet", "vae", "image_encoder"))
    check_complete(unet, folder / "unet")
    scheduler = load_component(folder, "scheduler")
    projection = _load_projection(folder, int(unet.config.cross_attention_dim)).to(device=device, dtype=dtype)
    unet = prepare(unet, device, dtype)
    vae = prepare(vae, device, vae_dtype(vae, device, dtype))
    scale = 2 ** (len(vae.config.block_out_channels) - 1)
    codec = LatentCodec(vae, int(unet.config.sample_size) * scale)
    if int(unet.config.in_channels) != 2 * codec.latent_shape[0]:
        raise BrokenWeights(f"The UNet of {folder} takes {unet.config.in_channels} channels; Zero-1-to-3 takes twice "
                            f"its VAE's {codec.latent_shape[0]}.", hint=CHOOSE)
    revision = weights_revision(folder, cache_folder)
    traits = PriorTraits(name or folder.name, revision, codec.resolution, "rgb", codec.latent_shape, codec.latent_scale,
                         knows_camera=True)

    def no_text() -> Any:
        raise ValueError("a novel-view prior reads no text")

    return NovelViewPrior(
        traits, noise_from_scheduler(scheduler, device), unet, codec, TextReader(traits.name, revision, no_text, device,
                                                                               dtype), None,
        image_encoder=encoder.to(device).eval().requires_grad_(False), projection=projection,
        absolute_polar="stable" in f"{traits.name} {folder.name}".lower())


def _load_projection(folder: Path, width: int) -> torch.nn.Linear:
    from safetensors.torch import load_file

    index = read_index(folder)
    for component, layer in PROJECTIONS.items():
        files = sorted((folder / component).glob("*.safetensors"))
        if component in index and files:
            stored = load_file(files[0])
            try:
                weight, bias = stored[f"{layer}.weight"], stored[f"{layer}.bias"]
            except KeyError as error:
                raise BrokenWeights(f"{files[0]} has no layer {layer}.", hint=CHOOSE) from error
            linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
            if weight.shape != (width, width + 4):
                raise BrokenWeights(f"{files[0]} maps {weight.shape[1]} numbers to {weight.shape[0]}; its UNet wants "
                                    f"{width + 4} to {width}.", hint=CHOOSE)
            linear.load_state_dict({"weight": weight.float(), "bias": bias.float()})
            return linear.requires_grad_(False)
    names = " or ".join(PROJECTIONS)
    raise BrokenWeights(f"{folder} has no camera projection ({names}) in safetensors format.", hint=CHOOSE)
