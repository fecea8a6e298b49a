# SPDX-License-Identifier: GPL-3.0-or-later
"""What a prior needs of a device's memory, known before any of it is loaded.

Weights are read off the headers of the files. What a pass needs besides is found by passing tensors without content
(PyTorch's meta device) through the networks that the configurations describe, and adding up what is alive at the
fullest moment: exact for what PyTorch allocates, seconds of one core and next to no memory even for Stable Diffusion
XL. Attention is taken to be fused, as on every GPU that Maquette runs on; a kernel's own workspace is not seen.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from backend.priors.flows import FLOWS
from backend.priors.loading import quiet, read_config, read_index, safetensors_header
from protocol.errors import BrokenWeights

TEXT_COMPONENTS = ("text_encoder", "text_encoder_2")
TOKENS = 77
META = torch.device("meta")


class Alive(TorchDispatchMode):
    """While it is active: `bytes` of all tensors that were made inside and still exist, and the `peak` of that."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.peak = 0
        self._known: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._note, out)
        return out

    def _note(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._known:
            self._known[key] = storage.nbytes()
            self.bytes += storage.nbytes()
            self.peak = max(self.peak, self.bytes)
            weakref.finalize(storage, self._gone, key)
        return tensor

    def _gone(self, key: int) -> None:
        self.bytes -= self._known.pop(key, 0)


class _FusedAttention(TorchFunctionMode):
    """Attention as fused kernels do it: no table of all pairs. Only for tensors without content."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.nn.functional.scaled_dot_product_attention:
            named = dict(zip(("query", "key", "value"), args, strict=False))
            return _Fused.apply(*(named.get(name, kwargs.get(name)) for name in ("query", "key", "value")))
        return func(*args, **kwargs)


class _Fused(torch.autograd.Function):
    """What fused attention leaves behind for the way back: what it was given, and its answer."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        answer = torch.empty_like(query)
        ctx.save_for_backward(query, key, value, answer)
        return answer

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.empty_like(one) for one in ctx.saved_tensors[:3])


def peak_bytes(work: Callable[[], Any], gradients: bool = False) -> int:
    """Bytes of the tensors that `work` makes, at the fullest moment; its own arguments do not count."""
    with torch.set_grad_enabled(gradients), _FusedAttention(), Alive() as alive:
        kept = work()
    del kept
    return alive.peak


@dataclass(frozen=True)
class Footprint:
    """Bytes on the device.

    Attributes:
        name: of the prior, for people.
        weights: of network and VAE together.
        text: of its text encoders together; needed only while a prompt is read.
        network: of one forward pass without a gradient, for each image (of guidance's two an image each).
        learning: of one pass with the way back, for each image: what a student of the prior takes.
        encode: of encoding one image, its gradient cut; 0 for priors in pixels.
        encode_with_gradient: the same with the backward pass through the encoder.
        decode: of decoding one image.
    """

    name: str
    weights: int
    text: int = 0
    network: int = 0
    encode: int = 0
    encode_with_gradient: int = 0
    decode: int = 0
    learning: int = 0


def footprint(folder: Path, dtype: torch.dtype, size: int | None = None) -> Footprint:
    """Of a diffusers folder, loaded in `dtype`. Raises BrokenWeights or PriorNotFound.

    size: of the pictures, in pixels, of a network that draws several; None is its own size.
    """
    index = read_index(folder)
    if index["_class_name"] in FLOWS:
        from backend.priors.flow_footprint import flow_footprint  # imports this module

        return flow_footprint(folder, FLOWS[index["_class_name"]], dtype, size)
    sizes = {name: weight_bytes(folder / name, dtype) for name in ("unet", "vae", *TEXT_COMPONENTS) if name in index}
    config = read_config(folder, "unet")
    with quiet():
        from diffusers import UNet2DConditionModel

        with META:
            unet = made(UNet2DConditionModel, config, folder).to(dtype)
    encode = encode_with_gradient = decode = 0
    if "vae" in index:
        encode, encode_with_gradient, decode = codec_bytes(folder, int(config["sample_size"]), dtype)
    return Footprint(
        folder.name, sizes["unet"] + sizes.get("vae", 0), sum(sizes.get(name, 0) for name in TEXT_COMPONENTS),
        _network(unet, dtype), encode, encode_with_gradient, decode, _network(unet, dtype, learning=True),
    )


def made(cls: Any, config: dict[str, Any], folder: Path) -> Any:
    """The network that a configuration describes. Raises BrokenWeights where it describes none."""
    try:
        return cls.from_config(config).eval().requires_grad_(False)
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise BrokenWeights(f"{folder} has a configuration that makes no {cls.__name__}: {error}",
                            hint="Download the model again.") from error


def _network(unet: Any, dtype: torch.dtype, learning: bool = False) -> int:
    """Bytes of a pass, an image: the slope between one and two images. learning: and back."""
    config, size = unet.config, int(unet.config.sample_size)
    width = config.encoder_hid_dim or config.cross_attention_dim

    def forward(count: int) -> Any:
        noisy = empty(count, int(config.in_channels), size, size, dtype=dtype)
        tokens = empty(count, TOKENS, int(width), dtype=dtype)
        noisy.requires_grad_(learning)
        answer = unet(noisy, empty(count, dtype=dtype), encoder_hidden_states=tokens, return_dict=False,
                      **_besides(config, count, dtype))[0]
        if learning:
            answer.sum().backward()
        return answer

    return max(peak_bytes(lambda: forward(2), learning) - peak_bytes(lambda: forward(1), learning), 1)


def _besides(config: Any, count: int, dtype: torch.dtype) -> dict[str, Any]:
    """What the network wants besides noisy samples, time and tokens."""
    given: dict[str, Any] = {}
    if config.class_embed_type == "projection":
        given["class_labels"] = empty(count, int(config.projection_class_embeddings_input_dim), dtype=dtype)
    if config.addition_embed_type == "text_time":
        numbers = 6 * int(config.addition_time_embed_dim)
        pooled = int(config.projection_class_embeddings_input_dim) - numbers
        given["added_cond_kwargs"] = {"text_embeds": empty(count, pooled, dtype=dtype),
                                      "time_ids": empty(count, 6, dtype=dtype)}
    return given


def codec_bytes(folder: Path, cells: int, dtype: torch.dtype) -> tuple[int, int, int]:
    """(encode, encode_with_gradient, decode) of a folder's VAE and one latent of `cells` by `cells`; see `Footprint`.
    """
    config = read_config(folder, "vae")
    with quiet():
        import diffusers

        with META:
            vae = made(getattr(diffusers, read_index(folder)["vae"][1]), config, folder).to(dtype)
    size = cells * 2 ** (len(vae.config.block_out_channels) - 1)
    image = empty(1, int(vae.config.in_channels), size, size, dtype=dtype)
    latent = empty(1, int(vae.config.latent_channels), cells, cells, dtype=dtype)
    plain = peak_bytes(lambda: vae.encode(image).latent_dist.mode())

    def there_and_back() -> None:
        vae.encode(image.requires_grad_()).latent_dist.mode().sum().backward()

    return plain, peak_bytes(there_and_back, gradients=True), peak_bytes(lambda: vae.decode(latent).sample)


def weight_bytes(folder: Path, dtype: torch.dtype) -> int:
    """Bytes of a component's numbers once they are loaded in `dtype`."""
    files = sorted(folder.glob("*.safetensors"))
    chosen = [path for path in files if ".fp16." in path.name] or files  # of a folder with both, one is loaded
    count = 0
    for path in chosen:
        try:
            header = safetensors_header(path)
        except (OSError, ValueError) as error:
            raise BrokenWeights(f"The weights file {path} is damaged: {error}.",
                                hint="Delete the file and download it again.") from error
        for entry in header.values():
            size = 1
            for length in entry["shape"]:
                size *= int(length)
            count += size
    return count * dtype.itemsize


def empty(*shape: int, dtype: torch.dtype) -> Tensor:
    """A tensor without content."""
    return torch.empty(shape, device=META, dtype=dtype)
