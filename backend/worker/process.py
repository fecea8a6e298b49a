# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker process: connect, warm up while the hub already answers, then run one job after the other.

torch comes with the recipes, not with this module. Whatever a recipe raises becomes one of our
typed errors; its traceback goes into the job's own log file in the data folder, never over the wire.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib
import json
import logging
import math
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from backend.hub.executors.environment import FRESH_PROCESS
from backend.worker.cache import ModelCache, cache_limit
from backend.worker.context import CHECKPOINT, WorkerContext
from backend.worker.device import choose_device, device_memory, set_threads
from backend.worker.held import Held
from backend.worker.hubs import HubSource
from backend.worker.interrupt import Interrupter
from backend.worker.leading import Band
from backend.worker.link import Link
from protocol.arrays import Descriptor, describe
from protocol.errors import Cancelled, InternalError, LeaseLost, MaquetteError, OutOfMemory, OutOfSpace
from protocol.specs import JobSpec, spec_from_map
from protocol.updates import check_mesh

if TYPE_CHECKING:
    import torch

log = logging.getLogger("maquette.worker")

JOBS_MODULE = "MAQUETTE_JOBS_MODULE"  # environment: another module with run(spec, context), used by our tests
DEFAULT_JOBS = "backend.jobs"
TRIED_AGAIN = (OutOfMemory.code, OutOfSpace.code, "worker_crash")  # the next attempt needs the scratch folder
SCRATCH_SECONDS = 7 * 86400.0  # that the scratch folder of a job which never ended is kept


class Worker:
    """One process, one device. hubs: whom to work for. data_folder: for scratch and logs.

    environ: this process's environment. most_jobs: after so many the process is exchanged for a fresh one, because
    libraries leak. alone_seconds: without a job and without the local hub, then the worker ends.
    """

    def __init__(
        self, hubs: HubSource, data_folder: Path, name: str, environ: Mapping[str, str] = os.environ,
        most_jobs: int = 100, alone_seconds: float = 30.0,
    ) -> None:
        self._data = data_folder
        self._environ = environ
        self._cache = ModelCache(0)
        self._interrupter = Interrupter()
        self._link = Link(hubs, name, on_overdue=self._interrupter.poke, on_stubborn=self._end_now,
                          alone_seconds=alone_seconds)
        self._link.describe({"machine": "" if not hubs.lasting else socket.gethostname()[:64]})
        signal.signal(signal.SIGTERM, lambda number, frame: self._link.stop_now())
        self._jobs: ModuleType | None = None
        self._broken: MaquetteError | None = None
        self._left = most_jobs
        self._fresh = ""  # why this process should be exchanged

    def run(self) -> int:
        """Work until the hub says stop or is gone; gives the exit code."""
        self._warm_up()
        while not self._link.gone.is_set():
            held = self._link.next_lease(0.5)
            if held is not None and self._link.begin(held):
                self._run_job(held)
                self._left -= 1
                if self._left <= 0:
                    self._fresh = self._fresh or "This worker has done its share of jobs."
            if self._link.stop_asked:
                self._link.leave("This worker was asked to stop.")
                return 0
            if self._fresh:
                self._link.leave(self._fresh)
                return FRESH_PROCESS
        return 0

    @staticmethod
    def _end_now() -> None:
        """The job does not listen to anything: the process goes with it."""
        log.error("the job at hand does not end; this process does")
        logging.shutdown()
        os._exit(FRESH_PROCESS)

    def _warm_up(self) -> None:
        """Import and load what jobs need. A recipe that cannot be loaded is every job's error, not a crash loop."""
        began = time.monotonic()
        device: torch.device | None = None
        sweep(self._data / "scratch", time.time() - SCRATCH_SECONDS)
        try:
            self._jobs = importlib.import_module(self._environ.get(JOBS_MODULE) or DEFAULT_JOBS)
            if "torch" in sys.modules:
                from backend.jobs.context import JobContext, TerminalContext

                JobContext.register(WorkerContext)
                set_threads(self._environ)
                device = choose_device()
                warm_up = getattr(self._jobs, "warm_up", None)
                if warm_up is not None:
                    warm_up(TerminalContext(self._data / "scratch", device, self._cache))
        except MaquetteError as problem:  # a missing model, say: the jobs that need it will tell
            log.exception("warming up did not work")
            self._broken = problem if self._jobs is None else None
        except Exception as problem:
            ref = secrets.token_hex(4)
            log.exception("warming up failed (mark %s)", ref)
            if self._jobs is None:
                self._broken = InternalError(
                    f"The worker could not load its recipes ({type(problem).__name__}: {problem}).",
                    hint="Run `maquette doctor`; the worker's log has the details.", detail={"ref": ref},
                )
        log.info("warm after %.1f s on %s", time.monotonic() - began, device or "any device")
        total, _ = device_memory(device)
        self._cache.limit = cache_limit(total)
        self._link.describe({"device": str(device or ""), "device_memory": total})
        self._tidy()

    def _tidy(self) -> None:
        """Between jobs: forget what takes too much memory, and tell the hub what is kept."""
        for key in self._cache.trim():
            log.info("forgot %s to make room", key)
        device = choose_device() if "torch" in sys.modules else None
        self._link.warm(device_memory(device)[1], [key[:256] for key in self._cache][:64])

    def _run_job(self, held: Held) -> None:
        lease = held.lease
        folder = self._data / "scratch" / lease.job
        keep = False
        handler = self._job_log(lease.job)
        began = time.monotonic()
        log.info("job %s, attempt %d: %s", lease.job, lease.attempt, lease.kind)
        try:
            arrays = self._compute(held, folder)
            self._link.deliver(held, arrays)
        except (Cancelled, LeaseLost) as problem:
            keep = self._link.stop_asked or held.lost or held.pausing  # another attempt goes on from the checkpoint
            if held.pausing and not held.lost:
                self._link.let_go(held)
            elif not self._link.stop_asked or held.lost:
                self._link.fail(held, problem)
        except Exception as problem:
            error = typed_error(problem, folder)
            keep = error.code in TRIED_AGAIN
            if isinstance(error, OutOfMemory):
                self._fresh = "Memory ran out; a fresh process begins with all of it."
            self._link.fail(held, error)
        finally:
            log.info("job %s ended after %.1f s", lease.job, time.monotonic() - began)
            logging.getLogger().removeHandler(handler)
            handler.close()
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)
            self._tidy()

    def _compute(self, held: Held, folder: Path) -> list[tuple[Descriptor, memoryview]]:
        if self._broken is not None:
            raise self._broken
        assert self._jobs is not None
        spec = spec_from_map(held.lease.kind, held.lease.spec)
        inputs = self._link.inputs(held)
        context = WorkerContext(self._link, held, folder, self._cache, inputs=inputs)
        context.check()
        self._fetch_checkpoint(held, context)
        with self._led(spec, held, context), self._interrupter.allowed():
            result = self._jobs.run(spec, context)
        if "vertices" in result.arrays:
            check_mesh(result.arrays)
        report = json.dumps(plain(result.report), allow_nan=False, ensure_ascii=False).encode()
        arrays = {**result.arrays, "report": np.frombuffer(report, np.uint8)}
        return [describe(name, array) for name, array in arrays.items()]

    def _fetch_checkpoint(self, held: Held, context: WorkerContext) -> None:
        """Have the last attempt's checkpoint in the scratch folder, wherever that attempt ran."""
        lease, path = held.lease, context.folder / CHECKPOINT
        if not lease.checkpoint:
            return  # the one in the folder, if any, is the only one
        if path.exists() and hashlib.sha256(path.read_bytes()).digest() == lease.checkpoint:
            return
        try:
            data = self._link.checkpoint(held)
        except (Cancelled, LeaseLost):
            raise
        except MaquetteError as problem:
            context.warn(f"The last checkpoint could not be fetched ({problem.message}) The job may begin again.")
            return
        partial = path.with_suffix(".fetched")
        data.tofile(partial)
        partial.replace(path)

    @contextlib.contextmanager
    def _led(self, spec: JobSpec, held: Held, context: WorkerContext) -> Iterator[None]:
        """While a job of several devices runs: the processes that compute it with this one."""
        lease = held.lease
        asked = getattr(spec, "gpus", 1)
        can = getattr(self._jobs, "most_ranks", lambda spec: 1)(spec)
        devices = lease.devices[: max(1, can)]
        if len(devices) < asked:
            context.warn(f"The job asked for {asked} devices and runs on {len(devices)}.")
        if len(devices) == 1:
            yield
            return
        log_file = self._data / "logs" / "jobs" / f"{lease.job}.log"
        module = self._environ.get(JOBS_MODULE) or DEFAULT_JOBS
        with contextlib.closing(Band(
            devices, lease.kind, lease.spec, context.folder, context.inputs, module, log_file, self._environ
        )) as band:
            context.lead = lambda: band.meet(context.device, context.check)
            try:
                yield
            except (Cancelled, LeaseLost):
                raise
            except Exception:
                self._fresh = "A job of several devices broke off; a fresh process has no trace of it."
                band.why()
                raise
            finally:
                if "ranks" in vars(context):
                    context.ranks.leave()

    def _job_log(self, job: str) -> logging.Handler:
        logs = self._data / "logs" / "jobs"
        logs.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(logs / f"{job}.log", encoding="utf-8", delay=True)
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s"))
        logging.getLogger().addHandler(handler)
        return handler


def sweep(folder: Path, older_than: float) -> None:
    """Remove the scratch folders of jobs that ended badly long ago. older_than: seconds since 1970."""
    for one in folder.iterdir() if folder.is_dir() else ():
        if one.stat().st_mtime < older_than:
            shutil.rmtree(one, ignore_errors=True)


def typed_error(problem: Exception, folder: Path) -> MaquetteError:
    """Our error as it is; memory and disk by their own names; anything else `internal`, with a mark in the log."""
    if isinstance(problem, MaquetteError):
        log.error("the job failed: %s", problem, exc_info=problem)
        return problem
    ref = secrets.token_hex(4)
    log.error("the job failed (mark %s)", ref, exc_info=problem)
    if isinstance(problem, MemoryError) or type(problem).__name__ == "OutOfMemoryError":  # torch's, without torch
        return OutOfMemory(
            "The job needs more memory than there is.",
            hint="Choose a smaller preset or texture size, or close other programs.", detail={"ref": ref},
        )
    if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpace(
            f"The disk of {folder} is full.", hint="Free some space there and start the job again.",
            detail={"folder": str(folder), "ref": ref},
        )
    return InternalError(
        f"The job met a defect of ours ({type(problem).__name__}, mark {ref}).",
        hint="The job's log has the details; please report them.", detail={"ref": ref},
    )


def plain(value: Any) -> Any:
    """A report as JSON can hold it: numpy numbers as Python's, numbers that are not finite as null, paths as text."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    return str(value)
