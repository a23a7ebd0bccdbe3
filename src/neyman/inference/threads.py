"""One BLAS thread: on matrices of a few hundred rows, threads cost ten times what they save."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import scipy.linalg.lapack  # noqa: F401  (so that its BLAS is loaded when they are counted)
import threadpoolctl

F = TypeVar("F", bound=Callable[..., Any])


@functools.cache
def _libraries() -> list[threadpoolctl.LibController]:
    """The BLAS libraries that are loaded."""
    return threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers


def one_thread(function: F) -> F:
    """`function` with the BLAS libraries of NumPy, SciPy and jax limited to one thread."""

    @functools.wraps(function)
    def limited(*args: Any, **kwargs: Any) -> Any:
        more = [(library, n) for library in _libraries() if (n := library.num_threads) != 1]
        for library, _ in more:
            library.set_num_threads(1)
        try:
            return function(*args, **kwargs)
        finally:
            for library, n in more:
                library.set_num_threads(n)

    return limited  # ty: ignore[invalid-explicit-return]
