# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that starts Warp and launches its kernels on torch tensors.

Importing this module starts Warp quietly. `launch` runs a kernel on the device of the tensors and, on CUDA, on torch's
current stream, so that torch and Warp work interleave without host synchronisation. Kernels see torch memory directly:
nothing is copied.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
import warp as wp


def _start_quietly() -> None:
    """Starts Warp without its greeting. Its native part writes "no CUDA driver" straight to file descriptor 2 on every
    machine without a GPU, which is no news to our users, so that descriptor points elsewhere for this moment."""
    wp.config.log_level = wp.LOG_WARNING
    if torch.cuda.is_available():
        wp.init()
        return
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            wp.init()
    finally:
        os.dup2(kept, 2)
        os.close(kept)


_start_quietly()

CPU_CHUNK = 2048
"""Points that one CPU "thread" of a chunked kernel handles in its inner loop: long enough to hide the launch loop's
bookkeeping, short enough that a chunk's inputs stay in the second-level cache."""


def view(tensor: torch.Tensor, dtype: Any = None) -> Any:
    """A Warp view of a torch tensor's memory, any strides; a Warp vector as `dtype` takes the last axis."""
    return wp.from_torch(tensor.detach(), dtype=dtype, requires_grad=False, return_ctype=True)


def launch(kernel: Any, dim: int | Sequence[int], inputs: Sequence[Any], device: torch.device) -> None:
    """Runs `kernel` over `dim` threads on `device`; torch tensors among `inputs` must already be `view`s."""
    if device.type == "cuda":
        wp.launch(kernel, dim=dim, inputs=list(inputs), stream=_stream(torch.cuda.current_stream(device)))
    else:
        wp.launch(kernel, dim=dim, inputs=list(inputs), device="cpu")


_streams: dict[tuple[int, int], Any] = {}


def _stream(current: torch.cuda.Stream) -> Any:
    """Warp's name for one of torch's streams, made once: torch's streams live as long as the process."""
    key = current.device_index, current.cuda_stream
    if key not in _streams:
        _streams[key] = wp.stream_from_torch(current)
    return _streams[key]


def parts(count: int, device: torch.device, each: int = 1) -> list[slice]:
    """Ranges of `count` items for `launch_all`: one on a GPU; on a CPU as many as torch has threads, but none shorter
    than `each`. Nothing for no items."""
    number = 1 if device.type == "cuda" else max(1, min(torch.get_num_threads(), count // each))
    edges = [count * k // number for k in range(number + 1)]
    return [slice(first, last) for first, last in zip(edges[:-1], edges[1:], strict=True) if last > first]


def launch_all(
    kernel: Any, launches: Sequence[tuple[int | Sequence[int], Sequence[Any]]], device: torch.device
) -> None:
    """Launches (dim, inputs) that write to separate memory; on a CPU they share torch's number of threads.

    A Warp launch on a CPU is one loop on the calling thread and lets go of Python's lock, so plain threads suffice.
    What each launch computes does not depend on the threads, so neither does the result.
    """
    if len(launches) == 1 or device.type == "cuda" or torch.get_num_threads() == 1:
        for dim, inputs in launches:
            launch(kernel, dim, inputs, device)
        return
    kernel.module.load("cpu")  # compiled before the threads start, for compiling is not safe in several at once
    # Each takes the next launch from one iterator until none is left; the calling thread works too.
    waiting, lock = iter(launches), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                task = next(waiting, None)
            if task is None:
                return
            launch(kernel, task[0], task[1], device)

    helpers = min(torch.get_num_threads(), len(launches)) - 1
    pending = [_pool(os.getpid()).submit(work) for _ in range(helpers)]
    work()
    for one in pending:
        one.result()


@functools.cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Helper threads, of this process: threads do not survive a fork, hence the argument."""
    return ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix=f"kernels-{process}")


def chunk_for(device: torch.device) -> int:
    """Items per thread of a chunked kernel: one on a GPU, a long run on a CPU (whose launches are plain loops)."""
    return 1 if device.type == "cuda" else CPU_CHUNK
