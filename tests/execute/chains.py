"""A chain that is killed at a random moment, resumed, and compared with one left alone."""

import pathlib
import signal
import subprocess
import sys
import time

import numpy as np

import neyman as ny
from neyman.likelihoods.counting import on_off
from neyman.model import Data
from tests.execute.kills import ROOT, saved

CHUNKS = 25  # of 250 draws, one the warm-up
OPTIONS = {"key": 7, "draws": 250 * (CHUNKS - 1), "chains": 4}


def like():
    model = on_off(tau=2.0, bounds=(-5.0, 60.0))
    return model.observe(Data(np.array([10.0, 6.0]), np.zeros(0)))


def kill_and_resume(folder, rng, alone):
    """The number of chunks that the killed program left."""
    command = [sys.executable, "-m", "tests.execute.chains", str(folder)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        if rng.integers(4) == 0:
            time.sleep(rng.uniform(0.0, 3.0))
        else:
            chunks = rng.integers(CHUNKS)
            while process.poll() is None and (not folder.exists() or saved(folder) < chunks):
                time.sleep(0.002)
            time.sleep(rng.uniform(0.0, 0.02))
        process.send_signal(signal.SIGKILL)
    left = saved(folder) if folder.exists() else 0
    resumed = ny.sample(like(), **OPTIONS, workplace=ny.Workplace(folder=folder))
    for name in ("draws", "log_prob"):
        assert getattr(resumed, name).tobytes() == getattr(alone, name).tobytes()
    assert resumed.notes == alone.notes
    assert saved(folder) == CHUNKS
    return left


def kills(tmp_path, number, seed):
    rng = np.random.default_rng(seed)
    alone = ny.sample(like(), **OPTIONS)
    left = [kill_and_resume(tmp_path / str(i), rng, alone) for i in range(number)]
    print("chunks left by the killed programs:", left)
    assert sum(0 < chunks < CHUNKS for chunks in left) >= number / 3  # moments worth killing at


if __name__ == "__main__":
    ny.sample(like(), **OPTIONS, workplace=ny.Workplace(folder=pathlib.Path(sys.argv[1])))
