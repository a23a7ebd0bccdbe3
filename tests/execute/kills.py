"""Kill `jobs.main` at random moments, resume it, compare with what it computes undisturbed."""

import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import psutil

from neyman.execute import execute
from neyman.io.chunks import ChunkStore, plain_arrays, same
from tests.execute.jobs import CHUNKS, SPEC, toys

ROOT = pathlib.Path(__file__).parents[2]


def run(folder, workers):
    command = [sys.executable, "-m", "tests.execute.jobs", str(folder), str(workers)]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True)


def gone(processes, within=20.0):
    """Whether all of them end by themselves; an orphan that nobody reaps has ended."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not any(lives(process) for process in processes):
            return True
        time.sleep(0.02)
    return False


def lives(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def saved(folder):
    return sum(path.suffix == ".npz" and path.name[0] != "." for path in folder.glob("*"))


def wait(folder, process, rng):
    """To a random moment: of the start in one case of four, else of the computation."""
    if rng.integers(4) == 0:
        return time.sleep(rng.uniform(0.0, 0.5))
    chunks = rng.integers(CHUNKS)
    while process.poll() is None and saved(folder) < chunks:
        time.sleep(0.005)
    time.sleep(rng.uniform(0.0, 0.03))


def kill_and_resume(folder, workers, rng):
    """Kill the program once, then compute the rest; the number of chunks that it left."""
    with run(folder, workers) as process:
        wait(folder, process, rng)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
    assert gone(children)
    left = saved(folder)
    store = ChunkStore(folder, SPEC)
    check(list(execute(toys, range(CHUNKS), store=store)))
    check([store.load(i) for i in range(CHUNKS)])
    assert store.notes == []
    return left


def check(results):
    assert len(results) == CHUNKS
    for index, result in enumerate(results):
        assert same(result, plain_arrays(toys(index)))


def kills(tmp_path, workers, number, seed):
    rng = np.random.default_rng(seed)
    left = []
    for i in range(number):
        (tmp_path / str(i)).mkdir()
        left.append(kill_and_resume(tmp_path / str(i), workers, rng))
    print("chunks left by the killed programs:", left)
    assert sum(0 < chunks < CHUNKS for chunks in left) >= number / 3  # moments worth killing at
