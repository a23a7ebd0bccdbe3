"""The same numbers on Dask, also when a worker is killed."""

import os
import signal
import time

import psutil
import pytest

from neyman.execute import Failed, execute
from neyman.io.chunks import ChunkStore
from neyman.status import InputError
from tests.execute import jobs
from tests.execute.test_execute import EXPECTED, equal

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster():
    before = set(psutil.Process().children(recursive=True))
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        worker_dashboard_address=None,
        silence_logs=50,
    ) as cluster:
        yield cluster
    left = set(psutil.Process().children(recursive=True)) - before
    assert not [p for p in left if "resource_tracker" not in str(p.cmdline())]


def test_an_address_a_client_and_a_cluster(cluster):
    with distributed.Client(cluster, set_as_default=False) as client:
        for workers in (cluster.scheduler_address, client, cluster):
            assert equal(list(execute(jobs.toys, range(12), workers=workers)))
        assert client.status == "running"


def test_failures_and_functions_without_a_module(cluster):
    results = list(execute(jobs.fails_on_3, range(12), workers=cluster))
    assert results[3] == Failed(3, "ZeroDivisionError: of course", 2)
    assert equal(results[:3] + results[4:], EXPECTED[:3] + EXPECTED[4:])
    with pytest.raises(InputError, match="the file: is wrong"):
        list(execute(jobs.refuses, range(12), workers=cluster))
    shift = 3
    assert equal(
        list(execute(lambda i: jobs.toys(i - shift), range(3, 15), workers=cluster)), EXPECTED
    )


def test_a_timeout(cluster):
    def waits(index):
        time.sleep(1.0 * (index == 2))
        return jobs.toys(index)

    results = list(execute(waits, range(4), workers=cluster, timeout=0.2, retries=0))
    assert results[2] == Failed(2, "took longer than 0.2 seconds", 1)


def test_a_worker_killed_on_the_way(cluster, tmp_path):
    store = ChunkStore(tmp_path / "s", jobs.SPEC)
    results = []
    for result in execute(jobs.slow_toys, range(60), workers=cluster, store=store):
        results.append(result)
        if len(results) == 10:
            victim = next(iter(cluster.workers.values())).pid
            os.kill(victim, signal.SIGKILL)
    assert equal(results[:12]) and len(results) == 60
    assert not [result for result in results if isinstance(result, Failed)]
    assert equal(list(execute(jobs.refuses, range(60), store=store)), results)


def test_leaving_early_leaves_nothing_running(cluster):
    with distributed.Client(cluster, set_as_default=False) as client:
        for _ in execute(jobs.slow_toys, range(1000), workers=client):
            break
        deadline = time.monotonic() + 5
        while any(client.processing().values()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
