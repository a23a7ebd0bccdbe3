"""The event models inside a likelihood, with their parameters and events."""

from typing import Any, NamedTuple

import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.joint import JointModel
from neyman.likelihoods.xenon.events import Events
from neyman.likelihoods.xenon.model import EventModel
from neyman.model import Likelihood, Model
from neyman.reparametrised import Reparametrised
from neyman.results import Fit, Samples
from neyman.status import InputError


class Part(NamedTuple):
    """A data set of events."""

    model: EventModel
    theta: Array
    """(P,), of this model's own parameters."""
    events: Events

    @property
    def present(self) -> np.ndarray:
        """Which rows are events, (N,)."""
        return np.asarray(self.events.weight) > 0

    @property
    def unit_theta(self) -> Array:
        """theta with every source's rate at 1: shapes are known where a rate is 0, too."""
        p = self.model.parameters
        rates = [p.index(f"{n}_rate") for n in self.model.names if f"{n}_rate" in p]
        return jnp.asarray(self.theta).at[np.array(rates, dtype=int)].set(1.0)

    @property
    def rates(self) -> np.ndarray:
        """The multiplier of each source, (S,)."""
        return np.asarray(self.model.at(self.theta)[1])

    @property
    def counted(self) -> bool:
        """Whether these are events that were counted: Asimov data are not."""
        weight = np.asarray(self.events.weight)
        return bool(np.all((weight == 0) | (weight == 1)))


def event_parts(like: Likelihood, fit: Fit | Samples | None = None) -> list[Part]:
    """The data sets of events in a likelihood, at its initial parameters, at those of a fit or at
    the means of a posterior.

    Args:
        like: of an event model, a sum of such, or either with its parameters reduced.
        fit: whose values are taken by name; parameters that it lacks have their initial values.

    Raises:
        InputError: a likelihood that is not of events.
    """
    p = like.parameters
    return parts_at(like, p.vector({} if fit is None else _values(fit, p.names)))


def _values(of: Fit | Samples, names: tuple[str, ...]) -> dict[str, float]:
    known = [name for name in names if name in of.names]
    if isinstance(of, Samples):
        return {name: of[name].mean for name in known}
    return {name: of[name].value for name in known}


def parts_at(like: Likelihood, theta: np.ndarray) -> list[Part]:
    """`event_parts` at theta, (P,)."""
    found = None
    if like.model is not None and like.data is not None:
        found = _parts(like.model, jnp.asarray(theta), like.data)
    if found is None:
        remedy = "give the likelihood of a xenon model"
        raise InputError("likelihood", "is not one of events alone", remedy)
    return [jax.tree.map(jnp.asarray, part) for part in found]


def event_part(like: Likelihood, fit: Fit | Samples | None = None) -> Part:
    """The only data set of events in a likelihood; several are an error."""
    found = event_parts(like, fit)
    if len(found) > 1:
        problem = f"has {len(found)} sets of events"
        raise InputError("likelihood", problem, "give one of the likelihoods that it joins")
    return found[0]


def _parts(model: Model, theta: Array, data: Any) -> list[Part] | None:
    """None where a part is no event model."""
    main = data.main
    if isinstance(model, EventModel):
        return [Part(model, theta, main)]
    if isinstance(model, Reparametrised):
        return _parts(model.inner, model.inside(theta), data)
    if isinstance(model, JointModel):
        each = [
            _parts(part, theta[i], data._replace(main=x))
            for part, i, x in zip(model.parts, model.place, main)
        ]
        return None if None in each else [part for parts in each for part in parts or ()]
    return None
