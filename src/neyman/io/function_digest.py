"""A digest of a Python function: of its code, and of what it was given with it.

Two functions of one digest do the same with the same arguments, as far as that can be told from
their byte code, constants, defaults, bound arguments and closures; what they call is told by its
name alone. Objects without a lasting description of themselves count by their class.
"""

import functools
import re
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from neyman.io.provenance import digest


def function_digest(function: Callable[..., Any]) -> str:
    return digest(_told(function).encode())


def _told(value: Any) -> str:
    match value:
        case functools.partial():
            return f"partial({_told(value.func)}, {_told(value.args)}, {_told(value.keywords)})"
        case types.FunctionType():
            cells = tuple(cell.cell_contents for cell in value.__closure__ or ())
            given = (value.__defaults__, value.__kwdefaults__, cells)
            return (
                f"{value.__module__}.{value.__qualname__}({_told(value.__code__)}, {_told(given)})"
            )
        case types.MethodType():
            return f"{_told(value.__func__)} of {_told(value.__self__)}"
        case types.CodeType():
            return f"{value.co_code.hex()} {value.co_names} {_told(value.co_consts)}"
        case np.ndarray():
            return f"{value.dtype}{value.shape}{digest(value.tobytes())}"
        case tuple() | list():
            return f"{type(value).__name__}({', '.join(map(_told, value))})"
        case dict():
            return f"dict({', '.join(f'{_told(k)}: {_told(v)}' for k, v in value.items())})"
    return f"{type(value).__qualname__} {re.sub(r' at 0x[0-9a-f]+', '', repr(value))}"
