"""Real runs that are killed: toys of a limit and of a test, chains, nested sampling.

    python -m tests.execute.victims      reads "KIND FOLDER ...", does it, tells the pid of a fork

One process does several runs at once, each in a thread and a folder of its own, and one SIGKILL
ends all of them at different moments: starting a process costs more than ten runs. Before them it
does one run elsewhere, which compiles. The program imports everything and forks for each process;
that is sound because it has one thread and has not yet begun to use jax, which it checks.
"""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

import neyman as ny
from neyman.likelihoods.counting import on_off
from neyman.model import Data
from tests.execute.kills import ROOT, saved

KEY = 7


def like():
    """A count of 10, and 6 in a control region twice as long: one nuisance parameter."""
    model = on_off(tau=2.0, bounds=(-5.0, 60.0))
    return model.observe(Data(np.array([10.0, 6.0]), np.zeros(0)))


def bounded():
    """The same between bounds, so that priors are proper."""
    model = like().model
    parameters = model.parameters
    for name in parameters.names:
        parameters = parameters.replace(name, bounds=(0.0, 40.0))
    return dataclasses.replace(model, parameters=parameters).observe(like().data)


def limit(place):
    asked = {"null": "toys", "toys": 3_000, "precision": 0.0}
    return ny.upper_limit(like(), key=KEY, **asked, workplace=place)


def hypotest(place):
    return ny.hypotest(like(), value=12.0, null="toys", toys=12_000, key=KEY, workplace=place)


def chain(place):
    return ny.sample(like(), key=KEY, draws=3_000, workplace=place)


def nested(place):
    return ny.sample(bounded(), key=KEY, sampler="nested", draws=100, chains=2, workplace=place)


KINDS = {"limit": limit, "hypotest": hypotest, "chain": chain, "nested": nested}


def known(result):
    """The bits of a result: everything but its provenance, which has the time."""
    skipped = ("provenance",)
    fields = {k: v for k, v in vars(result).items() if k not in skipped}
    return {
        k: (v.dtype.str, v.shape, v.tobytes()) if isinstance(v, np.ndarray) else repr(v)
        for k, v in fields.items()
    }


class Victims:
    """The program above, and runs of it that are killed."""

    def __enter__(self):
        self.program = subprocess.Popen(
            [sys.executable, "-m", "tests.execute.victims"],
            cwd=ROOT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_):
        with self.program:  # closes the pipes and waits
            pass
        assert self.program.returncode == 0

    def killed(self, kind, folders, chunks, rng):
        """Runs killed together, once a random number of chunks is there in all, or in one case of
        eight at a random moment of the start. The number of chunks that each left."""
        begins = [0, *rng.integers(0, chunks * len(folders) // 4, len(folders) - 1)]
        asked = " ".join(f"{folder}:{begin}" for folder, begin in zip(folders, begins))
        self.tell(f"{kind} {asked}")
        pid = int(self.program.stdout.readline())
        if rng.integers(8) == 0:
            time.sleep(rng.uniform(0.0, 2.0))
        else:
            wanted = rng.integers(max(begins) + 1, int(0.8 * chunks * len(folders)))
            while sum(map(saved_in, folders)) < wanted and not self.over(pid):
                time.sleep(0.002)
            time.sleep(rng.exponential(0.01))
        self.tell(f"kill {pid}")
        self.program.stdout.readline()  # it is gone
        return [saved_in(folder) for folder in folders]

    def tell(self, line):
        self.program.stdin.write(line + "\n")
        self.program.stdin.flush()

    @staticmethod
    def over(pid):
        try:
            return (
                pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
            )
        except OSError:
            return True


def saved_in(folder):
    return saved(folder) if folder.exists() else 0


def kills(tmp_path, kind, processes, together, seed):
    """Each run killed, resumed here, and compared; then its folder is that of one left alone."""
    rng = np.random.default_rng(seed)
    alone = known(KINDS[kind](ny.Workplace(folder=tmp_path / "alone")))
    chunks = saved(tmp_path / "alone")
    left = []
    with Victims() as victims:
        for i in range(processes):
            folders = [tmp_path / f"{i}-{j}" for j in range(together)]
            left += victims.killed(kind, folders, chunks, rng)
            for folder in folders:
                assert known(KINDS[kind](ny.Workplace(folder=folder))) == alone
                assert contents(folder) == contents(tmp_path / "alone")
                shutil.rmtree(folder)
            print(f"{kind}: of {chunks} chunks the killed runs left {left}", flush=True)
    assert sum(0 < n < chunks for n in left) >= len(left) / 2  # moments worth killing at


def contents(folder):
    """Every byte of every chunk."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("[0-9]*.npz"))}


def main():
    from jax._src import xla_bridge

    import neyman.inference.toy_test  # noqa: F401

    for verb in (ny.upper_limit, ny.hypotest, ny.sample):
        assert callable(verb)  # imported, for names of `neyman` are lazy
    like()
    assert len(os.listdir("/proc/self/task")) == 1 and not xla_bridge.backends_are_initialized()
    for line in sys.stdin:
        what, _, where = line.strip().partition(" ")
        if what == "kill":
            os.kill(int(where), 9)
            os.waitpid(int(where), 0)
            print("gone", flush=True)
        elif pid := os.fork():
            print(pid, flush=True)
        else:
            do(KINDS[what], [place.rpartition(":") for place in where.split()])


def do(kind, places):
    """Runs in threads, each of which begins once so many chunks are there in all."""
    folders = [pathlib.Path(folder) for folder, _, _ in places]

    def run(folder, begin):
        while sum(map(saved_in, folders)) < begin:
            time.sleep(0.002)
        kind(ny.Workplace(folder=folder))

    if len(folders) > 1:
        with tempfile.TemporaryDirectory() as elsewhere:
            kind(ny.Workplace(folder=pathlib.Path(elsewhere, "run")))
    threads = [
        threading.Thread(target=run, args=(folder, int(begin)))
        for folder, (_, _, begin) in zip(folders, places)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(0)


if __name__ == "__main__":
    main()
