"""Surrogates that need no training: a Gaussian likelihood is a quadratic form, which a graph
computes exactly; and networks with random weights."""

import numpy as np

from neyman._jax import jnp
from neyman.inference.fit import fit
from neyman.io.onnx.build import Builder
from neyman.likelihoods.counting import gaussian
from neyman.likelihoods.surrogate.domain import Domain
from neyman.likelihoods.surrogate.likelihood import OnnxLikelihood
from neyman.likelihoods.surrogate.metadata import Constraint, Metadata
from neyman.model import Data

RADIUS = 8.0


def exact_gaussian(observed=(1.4, 1.1), measured=(0.0,), bounds=(-10.0, 10.0)):
    """Two correlated measurements of mu with one nuisance parameter, theta[0]."""
    model = gaussian([1.0, 2.0], [[1.0, 0.3], [0.3, 2.0]], [[0.5, 0.1]], bounds=bounds)
    return model.observe(Data(np.array(observed), np.array(measured)))


def quadratic(builder, like, prefix=""):
    """Adds log L of a likelihood that is quadratic in theta; returns z, with |z|^2 = 2 (log L^ -
    log L), and log L."""
    d = like.derivatives(jnp.asarray(like.parameters.init))
    centre = like.parameters.init - np.linalg.solve(d.hessian, np.asarray(d.gradient))
    whitening = np.linalg.cholesky(np.asarray(d.hessian))
    z = builder.matmul(builder.subtract(builder.theta, centre), whitening)
    half = builder.multiply(builder.norm_squared(z), -0.5)
    return centre, z, builder.add(half, float(like.log_prob(jnp.asarray(centre))))


def card_of(like, centre, asimov=None, **changes):
    """The metadata of a surrogate of `like`."""
    a, p = like.model.auxiliary, like.parameters
    later = [None] * len(a.names) if asimov is None else asimov.data.auxiliary.tolist()
    constraints = tuple(
        Constraint(name, p.names[i], bool(poisson), float(scale), float(value), value_asimov)
        for name, i, poisson, scale, value, value_asimov in zip(
            a.names, a.parameter.tolist(), a.poisson, a.scale, like.data.auxiliary, later
        )
    )
    fields = {
        "parameters": p,
        "poi": like.model.poi,
        "constraints": constraints,
        "domain": Domain(np.full(len(p), -9.0), np.full(len(p), 9.0), centre, RADIUS),
        "errors": {"t_mu": 0.0},
        "digests": {"source": "0" * 64},
        "about": {"title": "a Gaussian", "licence": "CC0"},
    }
    return Metadata(**(fields | changes))


def graph_and_card(like=None, precision="float64", asimov=True, **changes):
    """The exact surrogate of a Gaussian likelihood as a graph with its metadata."""
    like = exact_gaussian() if like is None else like
    b = Builder(len(like.parameters), precision)
    centre, z, log_prob = quadratic(b, like)
    b.output("log_prob", log_prob)
    b.output("distance", b.apply("Sqrt", b.norm_squared(z)))
    background = None
    if asimov:
        theta = np.asarray(fit(like, fix={like.model.poi: 0.0}).values)
        background = like.model.observe(like.model.expected(theta))
        b.output("log_prob_asimov", quadratic(b, background)[2])
    card = card_of(like, centre, background, **changes)
    return b.graph(card.to_props()), card


def surrogate(like=None, **options):
    """The exact surrogate of a Gaussian likelihood."""
    return OnnxLikelihood.of(*graph_and_card(like, **options), sha="a" * 64)


def network(builder, x, activation, width=32, layers=2, seed=0):
    """Adds a residual network with random weights; x is (N, n), the result (N,)."""
    rng = np.random.default_rng(seed)

    def dense(h, n, m):
        return builder.dense(h, rng.normal(size=(n, m)) / np.sqrt(n), 0.1 * rng.normal(size=m))

    h = builder.activation(activation, dense(builder.narrow(x), builder.width, width))
    for _ in range(layers):
        h = builder.add(h, builder.activation(activation, dense(h, width, width)))
    return builder.widen(builder.sum(dense(h, width, 1)))


def random_network(activation, precision, width=5, offset=-289.3):
    """log L = offset - |z|^2/2 + network(z), in `width` parameters of sizes 0.01 to 100."""
    b = Builder(width, precision)
    scale = np.logspace(-2, 2, width)
    z = b.matmul(b.subtract(b.theta, 3.0 * scale), np.diag(1.0 / scale))
    quadratic_part = b.multiply(b.norm_squared(z), -0.5)
    total = b.add(quadratic_part, network(b, z, activation))
    b.output("log_prob", b.add(total, offset))
    return b.graph({}), scale
