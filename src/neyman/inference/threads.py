"""One BLAS thread: on matrices of a few hundred rows, threads cost ten times what they save."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import scipy.linalg.lapack  # noqa: F401  (so that its BLAS is loaded when they are counted)
import threadpoolctl

F = TypeVar("F", bound=Callable[..., Any])


@functools.cache
def _controller() -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController()


def one_thread(function: F) -> F:
    """`function` with the BLAS libraries of NumPy, SciPy and jax limited to one thread."""

    @functools.wraps(function)
    def limited(*args: Any, **kwargs: Any) -> Any:
        with _controller().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited  # ty: ignore[invalid-explicit-return]
