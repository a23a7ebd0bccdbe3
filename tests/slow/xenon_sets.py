"""Small xenon models, and what fits of their simulated data sets find, kept in a folder.

A study is interrupted and resumed as one likes: every data set is a chunk of its own, drawn with
its own key, in a folder named by the digest of the model and of what is asked.
"""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

import neyman as ny
from neyman._jax import jax, jnp, quick_jit
from neyman.execute import execute
from neyman.inference.expectation import expected_data
from neyman.inference.profile import Profile
from neyman.inference.provenance import fingerprint
from neyman.inference.quasi_newton import hessian
from neyman.inference.statistics import asymptotic, qtilde_mu
from neyman.io.chunks import ChunkStore
from neyman.io.provenance import digest
from neyman.likelihoods.xenon.assemble import constants_at, event_model
from neyman.likelihoods.xenon.detector import load_detector
from neyman.likelihoods.xenon.model import EventModel
from neyman.likelihoods.xenon.spectra import flat, wimp
from neyman.model import ObservedLikelihood
from neyman.parameters import Parameter
from neyman.status import Status

PUBLISHED = {
    "nr_alpha": (11.0, 1.25),
    "nr_beta": (1.1, 0.05),
    "nr_gamma": (0.0480, 0.0021),
    "nr_delta": (-0.0533, 0.0068),
    "nr_epsilon": (12.6, 3.15),
    "nr_zeta": (0.3, 0.1),
    "nr_eta": (2.0, 1.0),
    "nr_theta": (0.30, 0.05),
    "nr_iota": (2.0, 0.5),
}
"""NEST's published constraints; asymmetric errors, alpha +2.0 -0.5 and epsilon +3.4 -2.9, count
as their means (`test_nine_yields` has another treatment)."""


def made(detector: str, sources: dict, measured: dict, free: dict, poi: str) -> EventModel:
    """A model that floats what is `measured` {name: (value, sigma)} and `free` {name: bounds}."""
    found = load_detector(detector)
    c = constants_at(found, "nest_head")
    floating = [Parameter(n, c.get(n, 1.0), bounds) for n, bounds in free.items()]
    for name, (value, sigma) in measured.items():
        low = value - 8.0 * sigma
        bounds = (max(low, 0.02 * value) if value > 0 else low, value + 8.0 * sigma)
        floating.append(Parameter(name, value, bounds))
    model = event_model(
        found, sources, yields="nest_head", floating=floating, measured=measured, poi=poi
    )
    return jax.tree.map(jnp.asarray, model)


def calibration() -> EventModel:
    """300 nuclear recoils of 1 to 12 keV: rate and two yields float, g1 and lifetime measured."""
    return made(
        "generic",
        {"nr": ("nr", flat(1.0, 12.0, 330.0))},
        {"g1": (0.117, 0.003), "electron_lifetime": (800.0, 60.0)},
        {"nr_rate": (0.0, 5.0), "nr_alpha": (5.0, 20.0), "nr_gamma": (0.01, 0.2)},
        "nr_rate",
    )


def search() -> EventModel:
    """A 20 GeV WIMP of 5 tonne years at 1e-47 cm2 over 35 electronic recoils in an LZ."""
    return made(
        "lz-like",
        {"er": ("er", flat(0.5, 3.5, 50.0)), "wimp": ("nr", wimp(20.0, 1e-47, 5.0))},
        {"nr_alpha": (11.0, 1.25), "er_m2": (77.293, 3.0), "g1": (0.114, 0.003)},
        {"wimp_rate": (0.0, 100.0), "er_rate": (0.1, 5.0)},
        "wimp_rate",
    )


@quick_jit
def thrown(model, key, theta):
    return model.sample(key, theta)


def study(
    folder: pathlib.Path,
    model: EventModel,
    truth: dict[str, float],
    what: str,
    find: Callable[[ObservedLikelihood], dict[str, np.ndarray]],
    n: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """`find` of `n` data sets thrown at `truth`, stacked; those in `folder` are read."""
    theta = jnp.asarray(model.parameters.vector(truth))
    spec: dict[str, Any] = {
        "what": what,
        "model": fingerprint(model),
        "truth": truth,
        "seed": seed,
    }
    store = ChunkStore(folder / digest(spec)[:16], spec)

    def job(i: int) -> dict[str, np.ndarray]:
        key = jax.random.fold_in(jax.random.key(seed), i)
        return find(model.observe(thrown(model, key, theta)))

    found = list(execute(job, range(n), store=store, retries=0))
    return {name: np.stack([one[name] for one in found]) for name in found[0]}


def fitted(like: ObservedLikelihood) -> dict[str, np.ndarray]:
    """The fit, its errors, and the least eigenvalue of the Hessian in units of its diagonal."""
    fit = ny.fit(like)
    scale = np.sqrt(np.diagonal(fit.covariance))
    correlation = fit.covariance / np.outer(scale, scale)
    finite = np.all(np.isfinite(correlation))
    least = np.linalg.eigvalsh(correlation).min() if finite else np.nan
    return {
        "values": fit.values,
        "errors": fit.errors,
        "least": np.asarray(least),
        "fine": np.asarray(float(fit.status is Status.FINE)),
    }


def tested(model: EventModel, truth: dict[str, float]) -> Callable:
    """log CLs of the true poi by asymptotic formulas (`upper_limit`'s), for one data set.

    A data set without evidence against the truth, best fit above it or sqrt(q) < 1, has
    CLs >= CLs+b >= 0.159 (as long as q < q_Asimov, which is kept): its Asimov data are not fitted.
    """
    assert model.poi is not None
    poi, theta = model.poi, model.parameters.vector(truth)
    mu, every = truth[poi], np.ones(len(theta), dtype=bool)
    data = thrown(model, jax.random.key(0), theta)

    def at(theta: np.ndarray) -> ObservedLikelihood:
        return model.observe(expected_data(model.observe(data), model, theta))

    near = hessian(at(theta), theta, every)

    def find(like: ObservedLikelihood) -> dict[str, np.ndarray]:
        observed = Profile(like, poi, theta, near)
        q, q_asimov, notes = qtilde_mu(observed, mu), np.nan, ()
        if q >= 1.0:
            background = np.asarray(observed.at(0.0).theta)
            asimov = Profile(at(background), poi, background, near)
            q_asimov, notes = qtilde_mu(asimov, mu), asimov.notes()
        numbers = {
            "log_cls": asymptotic("qtilde", q, q_asimov).log_cls if q >= 1.0 else np.nan,
            "q": q,
            "q_asimov": q_asimov,
            "best": observed.best_value,
            "failed": float(len(observed.notes()) + len(notes)),
        }
        return {name: np.asarray(value) for name, value in numbers.items()}

    return find
