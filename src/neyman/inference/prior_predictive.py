"""Truths from the prior of a model, and data from the truths.

The prior of a parameter is its `prior` within its bounds; that of a parameter which an
auxiliary measurement constrains is what the measurement says of it under a flat prior, so that
the auxiliary data stay as they are and only the main data are thrown:

    Normal(theta, sigma) measured as m:     theta ~ Normal(m, sigma)
    Poisson(tau theta) measured as m:       theta ~ Gamma(m + 1)/tau

each cut off at the bounds. All are quantile functions of uniform numbers.
"""

from typing import Any

import numpy as np
from scipy.special import gammainc, gammaincinv, ndtr, ndtri

from neyman._jax import jax, jnp
from neyman.model import Data, ObservedLikelihood, compiled_model
from neyman.parameters import LogUniform, Normal, Parameter
from neyman.status import InputError


def prior_predictive(like: ObservedLikelihood, key: Any) -> tuple[np.ndarray, ObservedLikelihood]:
    """theta (P,) from the prior, and the likelihood of main data thrown there."""
    prior_key, data_key = jax.random.split(key)
    theta = prior_draw(like, np.asarray(jax.random.uniform(prior_key, (len(like.parameters),))))
    main = jax.device_get(_main_sample(compiled_model(like.model), data_key, jnp.asarray(theta)))
    return theta, like.model.observe(Data(main, np.asarray(like.data.auxiliary)))


@jax.jit
def _main_sample(model, key, theta):
    return model.main_sample(key, theta)


def prior_draw(like: ObservedLikelihood, u: np.ndarray) -> np.ndarray:
    """The quantiles u (P,) of the priors, (P,); fixed parameters stay at their initial values."""
    p, a = like.parameters, like.model.auxiliary
    measured = np.asarray(like.data.auxiliary)
    index, poisson, scale = map(np.asarray, (a.parameter, a.poisson, a.scale))
    theta = np.array([_quantile(item, q) for item, q in zip(p, u)])
    low, high, q = p.lower[index], p.upper[index], u[index]
    sigma = np.where(poisson, 1.0, scale)
    ends = ndtr((low - measured) / sigma), ndtr((high - measured) / sigma)
    normal = measured + sigma * ndtri(ends[0] + q * (ends[1] - ends[0]))
    count, tau = np.where(poisson, measured, 0.0) + 1.0, np.where(poisson, scale, 1.0)
    ends = gammainc(count, tau * np.maximum(low, 0.0)), gammainc(count, tau * np.maximum(high, 0.0))
    gamma = gammaincinv(count, ends[0] + q * (ends[1] - ends[0])) / tau
    theta[index] = np.where(poisson, gamma, normal)
    return np.where(p.fixed, p.init, theta)


def _quantile(item: Parameter, q: float) -> float:
    """Of the prior of an unconstrained parameter, within its bounds."""
    low, high = item.bounds
    if isinstance(item.prior, Normal):
        mean, sd = item.prior.mean, item.prior.sd
        ends = ndtr((low - mean) / sd), ndtr((high - mean) / sd)
        return float(mean + sd * ndtri(ends[0] + q * (ends[1] - ends[0])))
    if not np.isfinite(low + high):
        return item.init  # constrained, fixed, or refused by `check_priors`
    if isinstance(item.prior, LogUniform):
        return float(low * (high / low) ** q) if low > 0 else float("nan")
    return float(low + q * (high - low))


def check_priors(like: ObservedLikelihood) -> None:
    """Refuse priors that cannot be drawn from, and parameters measured twice."""
    index = np.asarray(like.model.auxiliary.parameter)
    for i, item in enumerate(like.parameters):
        place, times = f"parameter '{item.name}'", int(np.sum(index == i))
        if times > 1:
            raise InputError(place, "has several auxiliary measurements", "give a function")
        if times or item.fixed or isinstance(item.prior, Normal):
            continue
        if not np.isfinite(item.bounds[0] + item.bounds[1]):
            raise InputError(place, "has no proper prior: its bounds are infinite", "narrow them")
        if isinstance(item.prior, LogUniform) and item.bounds[0] <= 0:
            raise InputError(place, "is log-uniform down to 0", "raise its lower bound")
