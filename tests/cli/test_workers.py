"""Every verb that throws toys or runs chains: the same numbers from one process, from two, from a
Dask cluster one of whose workers is killed, and resumed after chunks were lost."""

import contextlib
import os
import pathlib
import shutil
import signal
import threading
import time

import pytest

from neyman.inference import toy_test

VERBS = {
    "hypotest": "hypotest {ws} --value 2 --null toys --toys 3000",
    "limit": "limit {ws} --null toys --toys 2000",
    "significance": "significance {ws} --null toys --toys 4000",
    "interval": "interval {ws} --method feldman-cousins --toys 2000",
    "contour": "contour {ws} --poi mu --poi norm --method feldman-cousins --toys 1000 --level 0.68",
    "sample": "sample {ws} --draws 300",
    "ensemble": "sample {ws} --draws 300 --sampler ensemble",
    "simulate": "simulate {ws} -n 2500 --at mu=1 --to toys.npz",
    "check": "check {ws} --at mu=0.5,1.5 --toys 1500 --level 0.9",
}


def quick(*names):
    """All verbs, those not named among the slow tests."""
    return [pytest.param(n, marks=[] if n in names else pytest.mark.slow) for n in VERBS]


def told(run, asked):
    """What the verb says, but for the time, and the bytes that it wrote."""
    ran = run(f"{asked} --seed 2 --json")
    assert ran.code == 0, ran.err
    written = pathlib.Path("toys.npz")
    said = {k: v for k, v in ran.json.items() if k != "provenance"}
    return said, written.read_bytes() if written.exists() else b""


@pytest.mark.parametrize("name", quick("hypotest", "significance", "sample", "simulate"))
def test_resumed(run, ws, name):
    """Run again with every third chunk lost, and with all that is needed there."""
    asked = VERBS[name].format(ws=ws)
    alone = told(run, asked)
    for _ in range(2):
        assert told(run, f"{asked} --resume kept") == alone
        chunks = sorted(pathlib.Path("kept").glob("[0-9]*.npz"))
        for chunk in chunks[::3]:
            chunk.unlink()
    assert len(chunks) >= 2
    assert told(run, f"{asked} --resume kept") == alone
    assert sorted(pathlib.Path("kept").glob("[0-9]*.npz")) == chunks


MORE = {
    "hypotest": ("--toys 1000", "--toys 3000"),
    "limit": ("--toys 1000", "--toys 2000"),
    "significance": ("--toys 2000", "--toys 4000"),
    "interval": ("--toys 1000", "--toys 2000"),
    "contour": ("--toys 500", "--toys 1000"),
    "sample": ("--draws 200", "--draws 300"),
    "ensemble": ("--draws 200", "--draws 300"),
    "simulate": ("-n 1500", "-n 2500"),
    "check": ("--toys 1000", "--toys 1500"),
}
"""Of each verb fewer, and as many as above."""


@pytest.mark.slow
@pytest.mark.parametrize("name", VERBS)
def test_more_in_the_same_folder(run, ws, name):
    """The result is that of as many from the start."""
    asked, (fewer, more) = VERBS[name].format(ws=ws), MORE[name]
    assert more in asked
    told(run, f"{asked.replace(more, fewer)} --resume kept")
    before = set(pathlib.Path("kept").glob("[0-9]*.npz"))
    found = told(run, f"{asked} --resume kept")
    assert before <= set(pathlib.Path("kept").glob("[0-9]*.npz"))
    assert found == told(run, asked)


@pytest.mark.parametrize("name", quick("sample"))
def test_two_workers(run, ws, name, monkeypatch):
    asked = VERBS[name].format(ws=ws)
    monkeypatch.setattr(toy_test, "WORTH", 0.0)  # else toys of a few seconds stay here
    assert told(run, f"{asked} --workers 2") == told(run, asked)


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        worker_dashboard_address=None,
        silence_logs=50,
    ) as cluster:
        yield cluster


@contextlib.contextmanager
def a_worker_dies(cluster, after):
    """One of the two is killed `after` so many chunks are in the folder; it tells whether."""
    killed = []

    def kill():
        while not over.is_set():
            if len(list(pathlib.Path("kept").glob("[0-9]*.npz"))) >= after:
                pid = next(iter(cluster.workers.values())).pid
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                return
            time.sleep(0.002)

    over = threading.Event()
    thread = threading.Thread(target=kill)
    thread.start()
    yield killed
    over.set()
    thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("name", VERBS)
def test_dask_and_a_worker_killed(run, ws, name, cluster):
    asked = VERBS[name].format(ws=ws)
    alone = told(run, asked)
    with a_worker_dies(cluster, after=1) as killed:
        found = told(run, f"{asked} --dask {cluster.scheduler_address} --resume kept")
    assert killed
    assert found == alone
    shutil.rmtree("kept")
    assert told(run, f"{asked} --dask {cluster.scheduler_address}") == alone
