# SPDX-License-Identifier: GPL-3.0-or-later
"""A GPU that is not there: tensors that say `cuda:0`, computed by the CPU, with a GPU's rules.

Inside `pretend_gpu` whatever is made on or sent to a `cuda` device is a `Far`. As on a real one, near and far tensors
do not mix, a generator of the CPU draws nothing there, `numpy()` refuses, and Warp kernels take the ways that they take
on a GPU (one thread a point). What a GPU would make the host wait for is written down with the place in our code that
asked: reading a value, a copy from or to memory that is not pinned, an answer whose size depends on values. So code can
be shown to be right about devices, and a step to be free of waits, on a machine without a GPU.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

ROOT = Path(__file__).resolve().parents[2]
GPU = torch.device("cuda", 0)
_aten = torch.ops.aten
# Their answers, or the sizes of their answers, are read by the host.
WAITING = {
    _aten._local_scalar_dense, _aten.nonzero, _aten.masked_select, _aten._unique2, _aten.unique_dim,
    _aten.unique_consecutive, _aten.bincount, _aten.repeat_interleave, _aten.equal, _aten.is_nonzero,
    _aten.linalg_lstsq, _aten._linalg_solve_ex, _aten.linalg_inv_ex, _aten.argwhere, _aten.histc,
}
# Their numbers may come from host memory without harm: a single number travels with the command itself.
_NUMBERS_ONLY = 0


@dataclass
class Waits:
    """Where the host waited: (place in our code, why) and how often."""

    seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def note(self, why: str) -> None:
        self.seen[_place(), why] += 1

    def places(self) -> dict[str, set[str]]:
        """{"backend/jobs/fine.py:loss": {"nonzero"}}"""
        found: dict[str, set[str]] = {}
        for (place, why), _ in self.seen.items():
            found.setdefault(place, set()).add(why)
        return found


def _place() -> str:
    """The innermost function of ours on the stack."""
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if ROOT / "backend" in path.parents:
            return f"{path.relative_to(ROOT).as_posix()}:{frame.f_code.co_name}"
        frame = frame.f_back  # type: ignore[assignment]
    return "elsewhere"


_waits = Waits()


class Far(Tensor):
    """See the module. `inner` holds the values."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor, requires_grad: bool = False) -> Far:
        # To PyTorch's C++ side it is a meta tensor, as its own fake tensors are: no GPU is touched.
        made: Far = Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            layout=inner.layout, device="meta", requires_grad=requires_grad)
        made.inner = inner.detach()
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return GPU

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Far({tuple(self.shape)}, {self.dtype})"

    def numpy(self, *, force: bool = False) -> Any:
        if not force:
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")
        return self.cpu().detach().numpy()

    def __array__(self, *_: Any) -> Any:
        return self.numpy()

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def cpu(self, *_: Any) -> Tensor:  # type: ignore[override]
        return _Fetch.apply(self) if self.requires_grad and torch.is_grad_enabled() else _fetch(self)

    def is_pinned(self, *_: Any) -> bool:
        return False

    def data_ptr(self) -> int:
        return self.inner.data_ptr()

    def __deepcopy__(self, memo: dict[int, Any]) -> Far:
        made = Far(self.inner.clone(), self.requires_grad)
        memo[id(self)] = made
        return made

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _fetch(self).__reduce_ex__(protocol)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        packet = func.overloadpacket
        if packet is _aten._to_copy:
            return _copied(args[0], kwargs)
        if packet is _aten.copy_:
            goal, source = args[0], args[1]
            if isinstance(goal, Far) != isinstance(source, Far) and not _pinned(source):
                _waits.note("copy between host and device")
            _inner(goal).copy_(_inner(source))
            return goal
        _check(func, packet, args, kwargs)
        if packet in WAITING:
            _waits.note(packet.__name__)
        if str(kwargs.get("device", "")).startswith(("cuda", "meta")):
            kwargs["device"] = torch.device("cpu")
        answer = func(*tree_map_only(Far, _inner, args), **tree_map_only(Far, _inner, kwargs))
        if func._schema.is_mutable:
            known = {id(one.inner): one for one in tree_flatten((args, kwargs))[0] if isinstance(one, Far)}
            return tree_map_only(Tensor, lambda one: known[id(one)] if id(one) in known else Far(one), answer)
        return tree_map_only(Tensor, lambda one: one if isinstance(one, Far) else Far(one), answer)


class _Fetch(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, far: Tensor) -> Tensor:
        return _fetch(far)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return Far(gradient)


class _Send(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, near: Tensor) -> Tensor:
        return Far(near.detach())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _inner(gradient)


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, Far) else value


def _fetch(far: Any) -> Tensor:
    _waits.note("copy to the host")
    return _inner(far).clone()


def _pinned(near: Any) -> bool:
    return isinstance(near, Tensor) and (getattr(near, "pretended_pinned", False) or near.ndim == _NUMBERS_ONLY)


def _copied(one: Any, kwargs: dict[str, Any]) -> Tensor:
    goal = kwargs.pop("device", None)
    kwargs.pop("non_blocking", None)
    values: Tensor = _aten._to_copy(_inner(one), **kwargs)
    if goal is not None and torch.device(goal).type == "cpu":
        _waits.note("copy to the host")
        return values
    return Far(values)


def _check(func: Any, packet: Any, args: Any, kwargs: dict[str, Any]) -> None:
    """A GPU's rules about what may stand together, and what it would wait for."""
    near = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, Tensor) and not isinstance(one, Far)]
    if packet in (_aten.index, _aten.index_put, _aten.index_put_, _aten._unsafe_index, _aten._index_put_impl_):
        rows = [one for one in args[1] if one is not None]
        if any(one.dtype in (torch.bool, torch.uint8) for one in rows):
            single = packet is not _aten.index and args[2].numel() == 1
            if not single:
                _waits.note("index by truth values")
        if any(not isinstance(one, Far) for one in rows):
            _waits.note("index that lies in host memory")
        near = [one for one in near if not any(one is row for row in rows)]
    if any(one.ndim for one in near) and any(isinstance(one, Far) for one in tree_flatten((args, kwargs))[0]):
        raise RuntimeError(f"{func}: expected all tensors to be on the same device, but found cuda:0 and cpu")


class _Mode(TorchFunctionMode):
    """Factories that name a GPU, and moves to and from it."""

    wants_meta = False  # our own code, not PyTorch's, asks for a tensor without content

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if any(isinstance(one, torch.device | str) and str(one) == "meta" for one in (*args, kwargs.get("device"))):
            before, _Mode.wants_meta = _Mode.wants_meta, True
            try:
                return func(*args, **kwargs)
            finally:
                _Mode.wants_meta = before
        if name in ("to", "cuda") and args and isinstance(args[0], Tensor):
            return _moved(func, args, kwargs)
        if name in ("__getitem__", "__setitem__") and isinstance(args[0], Far):
            return func(args[0], _placed(args[1]), *args[2:])
        if name == "new_tensor" and isinstance(args[0], Far):
            _waits.note("copy to the device")
            return Far(_inner(args[0]).new_tensor(*args[1:], **{**kwargs, "device": "cpu"}))
        if name == "pin_memory" and isinstance(args[0], Tensor):
            kept = args[0].clone()
            kept.pretended_pinned = True  # type: ignore[attr-defined]
            return kept
        device = kwargs.get("device")
        if name != "_parse_to" and device is not None and torch.device(device).type == "cuda" and not any(
            isinstance(one, Far) for one in tree_flatten(args)[0]
        ):
            generator = kwargs.get("generator")
            if generator is not None and generator.device.type == "cpu":
                raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
            if name in ("tensor", "as_tensor", "asarray"):
                _waits.note("copy to the device")
            near = func(*args, **{**kwargs, "device": "cpu", "requires_grad": False} if "requires_grad" in kwargs
                        else {**kwargs, "device": "cpu"})
            return Far(near, bool(kwargs.get("requires_grad", False)))
        return func(*args, **kwargs)


class _Made(TorchDispatchMode):
    """What PyTorch's C++ side makes beside a far tensor, which it takes for a meta tensor: numbers, empty gradients."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if str(kwargs.get("device", "")) == "meta" and not _Mode.wants_meta:
            made = func(*args, **{**kwargs, "device": torch.device("cpu")})
            return made if isinstance(made, Far) else Far(made)
        return func(*args, **kwargs)


def _placed(index: Any) -> Any:
    """An index whose lists and near tensors went to the device first."""
    if isinstance(index, tuple):
        return tuple(_placed(one) for one in index)
    if isinstance(index, list):
        index = torch.tensor(index)
    if isinstance(index, Tensor) and not isinstance(index, Far) and index.ndim:
        _waits.note("index that lies in host memory")
        return Far(index)
    return index


def _moved(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    one, rest = args[0], list(args[1:])
    if func.__name__ == "cuda":
        rest, kwargs = [GPU], {key: value for key, value in kwargs.items() if key == "non_blocking"}
    goal: Any = kwargs.pop("device", None)
    for place, value in enumerate(rest):
        if isinstance(value, Tensor):
            goal, rest[place] = value.device, value.dtype
        elif isinstance(value, torch.device | str | int) and not isinstance(value, bool):
            goal = torch.device("cuda", value) if isinstance(value, int) else torch.device(value)
            rest[place] = None
    at_once = kwargs.pop("non_blocking", any(value is True for value in rest))
    rest = [value for value in rest if value is not None and not isinstance(value, bool)]
    here = one.device.type
    there = here if goal is None else torch.device(goal).type
    if here != there and there not in ("cpu", "cuda"):
        return func(*args, **kwargs)
    if here == "cpu" and there == "cuda":
        if not (at_once and _pinned(one)):
            _waits.note("copy to the device")
        moved = _Send.apply(one) if one.requires_grad and torch.is_grad_enabled() else Far(one.detach().clone())
    elif here == "cuda" and there == "cpu":
        moved = one.cpu()
    else:
        moved = one
    return func(moved, *rest, **kwargs) if rest or kwargs else moved


@contextlib.contextmanager
def pretend_gpu() -> Iterator[Waits]:
    """Inside, `cuda:0` can be used; gives the waits so far (clear `seen` where counting should begin)."""
    import warp

    from backend.kernels import runtime

    _waits.seen.clear()
    plain_array = warp.from_torch
    plain_view, plain_launch = runtime.view, runtime.launch

    def view(tensor: Tensor, dtype: Any = None) -> Any:
        return plain_view(_inner(tensor), dtype)

    def launch(kernel: Any, dim: Any, inputs: Any, device: torch.device) -> None:
        plain_launch(kernel, dim, inputs, torch.device("cpu"))

    def array(tensor: Tensor, *rest: Any, **more: Any) -> Any:
        return plain_array(_inner(tensor), *rest, **more)

    # A module that moves gets new parameters: near memory cannot become far memory under the same tensor.
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with mock.patch.object(warp, "from_torch", array), \
                mock.patch.object(runtime, "view", view), mock.patch.object(runtime, "launch", launch), \
                mock.patch.object(torch, "inference_mode", torch.no_grad), _Mode(), _Made():
            yield _waits  # PyTorch's wrapped tensors know no inference mode
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)
