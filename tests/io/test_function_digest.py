"""Functions that may give other numbers have other digests; the same have the same anywhere."""

import functools
import subprocess
import sys
import textwrap

import numpy as np

from neyman.io.function_digest import function_digest


def scaled(x, factor=1.0):
    return [factor * value for value in x]


def made(factor):
    return lambda x: factor * x


def test_the_same_again():
    assert function_digest(scaled) == function_digest(scaled)
    assert function_digest(made(2.0)) == function_digest(made(2.0))
    bound = [functools.partial(scaled, factor=np.arange(3.0)) for _ in range(2)]
    assert function_digest(bound[0]) == function_digest(bound[1])


def test_other_functions():
    every = [
        scaled,
        functools.partial(scaled, factor=1.0),
        functools.partial(scaled, factor=0.7),
        functools.partial(scaled, factor=np.ones(2)),
        functools.partial(scaled, factor=np.zeros(2)),
        made(1.0),
        made(0.7),
        lambda x: x,
        lambda x: x + 1,
        np.linspace,
        [].append,
    ]
    assert len({function_digest(f) for f in every}) == len(every)


def test_in_another_process():
    code = (
        "import functools, textwrap; from neyman.io.function_digest import function_digest;"
        "print(*map(function_digest, [textwrap.dedent, functools.partial(textwrap.fill, width=3)]))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    here = [textwrap.dedent, functools.partial(textwrap.fill, width=3)]
    assert printed.stdout.split() == [function_digest(function) for function in here]
