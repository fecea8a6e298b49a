# SPDX-License-Identifier: GPL-3.0-or-later
"""A load of small jobs while hub, worker and client are killed at random; then the history is checked.

attempted: jobs that a client wanted. acknowledged: it heard ACCEPTED. lost: acknowledged and not ended well.
duplicated: ended twice, or an event seen twice. The bar for lost and duplicated is 0.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter

import numpy as np
import psutil
from hub_process import GUARD
from scripted_jobs import mesh

from protocol.client import new_job_id
from protocol.messages import TextTo3DSpec
from protocol.updates import JobAccepted, JobChanged, JobFailed, JobFinished

KILLS = 8
JOBS = 24


def test_random_kills_lose_and_double_nothing(hub):
    seed = time.time_ns()
    rng = random.Random(seed)
    hub.start()
    wanted = {new_job_id(): seed for seed in range(JOBS)}
    unsent = list(wanted)
    acknowledged, ended, events = set(), Counter(), Counter()
    client = hub.client()
    kills = Counter()
    next_kill = time.monotonic() + 0.5
    end = time.monotonic() + GUARD
    try:
        while len(ended) < JOBS and time.monotonic() < end:
            if unsent and rng.random() < 0.3:
                job = unsent.pop()
                client.submit(TextTo3DSpec("steps=5 delay=0.02", seed=wanted[job]), job=job)
            for update in client.poll(0.02):
                if isinstance(update, JobAccepted):
                    acknowledged.add(update.job)
                elif isinstance(update, JobChanged):
                    events[update.job, update.seq] += 1
                elif isinstance(update, JobFinished):
                    ended[update.job] += 1
                    assert np.array_equal(update.result.arrays["faces"], mesh(50, wanted[update.job])["faces"])
                elif isinstance(update, JobFailed):
                    raise AssertionError(f"{update.job}: {update.error}")
            if sum(kills.values()) < KILLS and time.monotonic() > next_kill:
                next_kill = time.monotonic() + rng.uniform(0.3, 1.5)
                # Two workers at most: a job that loses three is poison, and rightly not tried again.
                what = rng.choice(["hub", "hub", "client", *(["worker"] if kills["worker"] < 2 else [])])
                kills[what] += 1
                if what == "hub":
                    hub.kill()
                    hub.start()
                elif what == "worker":
                    for one in hub.workers():
                        with contextlib.suppress(psutil.Error):
                            one.kill()
                else:  # gone without a word; the next one knows only what was written down: the ids
                    client._context.destroy(linger=0)
                    sent, done = [job for job in wanted if job not in unsent], dict(client.jobs)
                    client = hub.client()
                    for job in sent:
                        if job in ended:
                            continue
                        if job in acknowledged:
                            client.watch(job, done[job].seq if job in done and not done[job].ended else 0)
                            events = Counter({key: n for key, n in events.items() if key[0] != job})
                        else:
                            client.submit(TextTo3DSpec("steps=5 delay=0.02", seed=wanted[job]), job=job)
            time.sleep(0.005)
        lost = acknowledged - set(ended)
        doubled = [key for key, count in (*ended.items(), *events.items()) if count > 1]
        print(f"seed {seed}, kills {dict(kills)}; attempted {JOBS}, acknowledged {len(acknowledged)}, "
              f"ended {len(ended)}, lost {len(lost)}, duplicated {len(doubled)}")
        assert lost == set() and doubled == [] and len(ended) == JOBS
    finally:
        client.close()
