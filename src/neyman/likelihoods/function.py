"""A Python function theta -> log L as a likelihood.

A function of jax arrays that jax can trace has exact derivatives. Any other one, of NumPy arrays,
is called on the host. Its gradient is what the user gives, or central differences

    d log L/d theta_i = [log L(theta + h_i e_i) - log L(theta - h_i e_i)]/(2 h_i)

with h_i = 1e-5 of the scale on which theta_i is expected to move; and its Hessian is central
differences of the gradient with steps of 1e-3 of that scale. No step leaves the bounds. Fits
take such differences; samplers that need gradients are refused where there is none.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import numpy as np

from neyman._jax import Array, Scalar, jax, jnp
from neyman.io.provenance import digest
from neyman.model import DatalessLikelihood, Derivatives
from neyman.parameters import Parameter, Parameters
from neyman.status import InputError

STEP, HESSIAN_STEP = 1e-5, 1e-3

Function = Callable[[Any], Any]


def likelihood(
    f: Function,
    parameters: Parameters | Sequence[Parameter],
    *,
    gradient: Function | None = None,
) -> "FunctionLikelihood | HostLikelihood":
    """The likelihood of a function theta -> log L, theta of shape (P,).

    Args:
        f: log L; constraint terms are part of it. Where jax can trace it, derivatives are exact.
        parameters: what theta means, in its order.
        gradient: d log L/d theta, (P,), of a function that jax cannot trace.

    Raises:
        InputError: `f` raises, or does not return one number, at the initial values.
    """
    known = parameters if isinstance(parameters, Parameters) else Parameters(tuple(parameters))
    if not len(known):
        raise InputError("parameters", "there are none", "give one or more")
    theta = np.array(known.init)
    if gradient is None and _traces(f, theta):
        probe = [f(jnp.asarray(t)) for t in _probes(known)]
        return FunctionLikelihood(names=known, f=f, sha=_digest(probe))  # ty: ignore[missing-argument]
    host = Host(f, gradient, _scale(known), known.lower, known.upper)
    for call, shape in ((host.value, ()), (host.gradient, theta.shape)):
        if call(theta).shape != shape:
            problem = f"returns an array of shape {call(theta).shape}"
            raise InputError(_name(f), problem, f"return one of shape {shape}")
    sha = _digest([host.value(t) for t in _probes(known)])
    return HostLikelihood(names=known, host=host, sha=sha)  # ty: ignore[missing-argument]


class FunctionLikelihood(DatalessLikelihood):
    """A function that jax can trace."""

    names: Parameters = eqx.field(static=True)
    f: Function = eqx.field(static=True)
    sha: str = eqx.field(static=True)

    @property
    def parameters(self) -> Parameters:
        return self.names

    @property
    def digest(self) -> str:
        return self.sha

    @property
    def constraints_known(self) -> bool:
        return False

    def log_prob(self, theta: Array) -> Scalar:
        return self.f(jnp.asarray(theta)).reshape(())

    def derivatives(self, theta: Array) -> Derivatives:
        def negative(t):
            return -self.log_prob(t)

        f, gradient = jax.value_and_grad(negative)(jnp.asarray(theta))
        return Derivatives(f, gradient, jax.hessian(negative)(jnp.asarray(theta)))

    def rename(self, names: Mapping[str, str]) -> "FunctionLikelihood":
        return dataclasses.replace(self, names=self.names.rename(names))

    def replace(self, name: str, **changes: Any) -> "FunctionLikelihood":
        return dataclasses.replace(self, names=self.names.replace(name, **changes))


class HostLikelihood(DatalessLikelihood):
    """A function that runs on the host, with a gradient of its own or without."""

    names: Parameters = eqx.field(static=True)
    host: "Host" = eqx.field(static=True)
    sha: str = eqx.field(static=True)

    @property
    def parameters(self) -> Parameters:
        return self.names

    @property
    def digest(self) -> str:
        return self.sha

    @property
    def dear(self) -> bool:
        return True

    @property
    def differentiable(self) -> bool:
        return self.host.own is not None

    @property
    def constraints_known(self) -> bool:
        return False

    def log_prob(self, theta: Array) -> Scalar:
        return _called(self.host, jnp.asarray(theta))

    def derivatives(self, theta: Array) -> Derivatives:
        t = jnp.asarray(theta)
        hessian = _call(self.host.hessian, (t.shape[0], t.shape[0]), t)
        return Derivatives(
            -_call(self.host.value, (), t), -_call(self.host.gradient, t.shape, t), -hessian
        )

    def rename(self, names: Mapping[str, str]) -> "HostLikelihood":
        return dataclasses.replace(self, names=self.names.rename(names))

    def replace(self, name: str, **changes: Any) -> "HostLikelihood":
        names = self.names.replace(name, **changes)
        host = dataclasses.replace(self.host, lower=names.lower, upper=names.upper)
        return dataclasses.replace(self, names=names, host=host)


@dataclasses.dataclass(frozen=True, eq=False)
class Host:
    """log L and its derivatives at one theta, (P,), as NumPy has them."""

    f: Function
    own: Function | None
    """The gradient that the user gives."""
    scale: np.ndarray
    """How far each parameter is expected to move, (P,)."""
    lower: np.ndarray
    """(P,), beyond which nothing is asked; so is `upper`."""
    upper: np.ndarray

    def value(self, theta: np.ndarray) -> np.ndarray:
        return np.asarray(self._run(self.f, theta), dtype=np.float64)

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        if self.own is not None:
            return np.asarray(self._run(self.own, theta), dtype=np.float64)
        return self._differences(self.value, theta, STEP)

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        rows = self._differences(self.gradient, theta, HESSIAN_STEP)
        return 0.5 * (rows + rows.T)

    def _differences(
        self, f: Callable[[np.ndarray], np.ndarray], theta: np.ndarray, step: float
    ) -> np.ndarray:
        h = step * np.maximum(self.scale, 1e-3 * np.abs(theta))
        high = np.minimum(theta + h, np.maximum(self.upper, theta))
        low = np.maximum(theta - h, np.minimum(self.lower, theta))
        rows = []
        for i in range(len(theta)):
            ends = (np.where(np.arange(len(theta)) == i, end, theta) for end in (low, high))
            below, above = (f(end) for end in ends)
            rows.append((above - below) / (high[i] - low[i]))
        return np.array(rows)

    def _run(self, f: Function, theta: np.ndarray) -> Any:
        try:
            return f(np.array(theta))  # a copy: the function may write into it
        except InputError:
            raise
        except Exception as error:
            problem = f"raised {type(error).__name__}: {error}"
            raise InputError(
                _name(f), problem, "return log L, or nan where there is none"
            ) from error


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _called(host: Host, theta: Array) -> Scalar:
    return _call(host.value, (), theta)


@_called.defjvp
def _called_jvp(host: Host, primals, tangents):
    (theta,), (moved,) = primals, tangents
    return _called(host, theta), _call(host.gradient, theta.shape, theta) @ moved


def _call(f: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...], theta: Array) -> Array:
    """f on the host, theta (P,), or one after the other under vmap."""
    return jax.pure_callback(
        lambda t: np.asarray(f(np.asarray(t)), dtype=np.float64),
        jax.ShapeDtypeStruct(shape, jnp.float64),
        theta,
        vmap_method="sequential",
    )


def _traces(f: Function, theta: np.ndarray) -> bool:
    """Whether jax can trace `f` as a function of theta with one number as its value."""
    try:
        found = jax.eval_shape(f, jax.ShapeDtypeStruct(theta.shape, jnp.float64))
    except Exception:  # whatever code makes of a tracer; a fault of its own shows on the host
        return False
    return isinstance(found, jax.ShapeDtypeStruct) and found.size == 1 and found.dtype == np.float64


def _scale(p: Parameters) -> np.ndarray:
    """How far each parameter is expected to move, (P,): a tenth of its value or its range."""
    width = np.where(np.isfinite(p.upper - p.lower), 0.1 * (p.upper - p.lower), np.inf)
    guess = np.where(p.init != 0, 0.1 * np.abs(p.init), 1.0)
    return np.minimum(guess, width)


def _probes(p: Parameters) -> list[np.ndarray]:
    """Points whose log L tell functions apart."""
    return [np.array(p.init), p.init + 0.01 * _scale(p) * (1.0 + np.arange(len(p)) % 3)]


def _digest(values: list[Any]) -> str:
    return digest(b"".join(np.asarray(v, dtype=np.float64).tobytes() for v in values))


def _name(f: Function) -> str:
    return f"function '{getattr(f, '__name__', type(f).__name__)}'"
