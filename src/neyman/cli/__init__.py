"""The command line: `neyman VERB FILE [options]`.

    app.py      the verbs: signatures and help, nothing heavy is imported
    options.py  the options that verbs share
    run.py      argv -> parsed verb -> exit code; errors as one line on stderr
    inputs.py   FILE, patches and measurement -> likelihood
    verbs.py    what each verb does; show.py, evaluate.py and grid.py, the longer ones
    output.py   a result -> stdout, stderr, --out, --plot

Exit codes: 0 fine or a warning, 1 a failed result, 2 bad input, 130 interrupted.
"""

import gc
import os
from collections.abc import Sequence

COLLECTED_AFTER = 100_000
"""New objects. With Python's 700, tracing programs of jax takes half as long again."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with `argv` (by default the process's own); returns the exit code."""
    for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):  # read when numpy is imported
        os.environ.setdefault(threads, "1")
    from neyman.cli.run import run

    usual = gc.get_threshold()
    gc.set_threshold(COLLECTED_AFTER, 20, 20)
    try:
        return run(argv)
    finally:
        gc.set_threshold(*usual)
