"""Functions that worker processes can import, and the program that is killed."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np

from neyman.execute import execute
from neyman.io.chunks import ChunkStore
from neyman.status import InputError

SPEC = {"what": "toys", "seed": 3, "chunk": 1000}
CHUNKS = 24


def toys(index):
    """A chunk of toys keyed by (seed, index), in layouts that a file would not keep."""
    rng = np.random.Generator(np.random.Philox(key=[SPEC["seed"], index]))
    counts = rng.poisson(3.0, (SPEC["chunk"], 5))
    fits = np.asfortranarray(rng.normal(counts, 1.0))
    return {"counts": counts, "fits": fits, "mean": fits.mean(), "ok": counts[:, 0] > 0}


def slow_toys(index):
    time.sleep(0.02)
    return toys(index)


def fails_on_3(index):
    if index == 3:
        raise ZeroDivisionError("of\ncourse")
    return toys(index)


def refuses(index):
    raise InputError("the file", "is wrong", "mend it")


def hangs_on_2(index):
    time.sleep(60 if index == 2 else 0)
    return toys(index)


def dies_on_2(index):
    if index == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return toys(index)


def once(job):
    """Goes wrong in the way named the first time it is met, and well afterwards."""
    folder, way, index = job
    marker = pathlib.Path(folder, str(index))
    if index % 4 == 1 and not marker.exists():
        marker.touch()
        if way == "dies":
            os._exit(7)
        if way == "hangs":
            time.sleep(60)
        raise ValueError("once")
    return toys(index)


def process(index):
    time.sleep(0.05)
    return {"pid": np.array(os.getpid()), "value": np.array(int(os.environ.get("SET_BY", 0)))}


def set_environment():
    os.environ["SET_BY"] = "5"


def broken_initializer():
    os._exit(3)


def starts_a_program(index):
    child = subprocess.Popen(["sleep", "50"])
    pathlib.Path(index).write_text(str(child.pid))
    time.sleep(50)
    return {}


def unpicklable_result(index):
    return {"f": np.array([lambda: 1])}


def main(folder, workers):
    store = ChunkStore(folder, SPEC)
    for _ in execute(slow_toys, range(CHUNKS), workers=int(workers), store=store):
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
