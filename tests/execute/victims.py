"""Real runs that are killed: toys of a limit and of a test, chains, nested sampling.

    python -m tests.execute.victims     lines "KIND FOLDER" start a run there, whose pid is told

The program imports everything and then forks for each run, which saves seconds of CPU. That is
sound because it has one thread and has not yet begun to use jax, which it checks.
"""

import dataclasses
import os
import pathlib
import subprocess
import sys
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

    def killed(self, kind, folder, chunks, rng):
        """A run killed at a random moment: of its start in one case of eight, else once a random
        number of its chunks is there. The number of chunks that it left."""
        self.program.stdin.write(f"{kind} {folder}\n")
        self.program.stdin.flush()
        pid = int(self.program.stdout.readline())
        if rng.integers(8) == 0:
            time.sleep(rng.uniform(0.0, 2.0))
        else:
            wanted = rng.integers(1, chunks)
            while saved_in(folder) < wanted and not self.over(pid):
                time.sleep(0.002)
            time.sleep(rng.exponential(0.01))
        self.program.stdin.write(f"kill {pid}\n")
        self.program.stdin.flush()
        self.program.stdout.readline()  # it is gone
        return saved_in(folder)

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


def kills(tmp_path, kind, number, seed):
    """Each killed, resumed here, and compared; then the folder is that of a run left alone."""
    rng = np.random.default_rng(seed)
    alone = known(KINDS[kind](ny.Workplace(folder=tmp_path / "alone")))
    chunks = saved(tmp_path / "alone")
    left = []
    with Victims() as victims:
        for i in range(number):
            folder = tmp_path / str(i)
            left.append(victims.killed(kind, folder, chunks, rng))
            assert known(KINDS[kind](ny.Workplace(folder=folder))) == alone
            assert contents(folder) == contents(tmp_path / "alone")
    print(f"{kind}: of {chunks} chunks the killed runs left {sorted(left)}")
    assert sum(0 < n < chunks for n in left) >= number / 2  # moments worth killing at


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
            KINDS[what](ny.Workplace(folder=pathlib.Path(where)))
            os._exit(0)


if __name__ == "__main__":
    main()
