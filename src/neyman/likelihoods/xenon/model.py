"""The likelihood of events in a liquid-xenon detector, each with its S1, S2 and place.

    log p(x|theta) = -mu(theta) + sum_i log R(s_i|theta),    R = sum over sources rate dR
    dR_i = e(s_i) sum_b c_b(i) sum_f l_f(i) a_i^T Q_bf b_i,    a = P(S1|nph),  b = P(S2|ne)
    mu   = sum_k w_k sum_b c_b(k) sum_f l_f(k) alpha_k^T Q_bf beta_k

(the extended likelihood; flamedisx, arXiv:2003.12483). Q[ne, nph] are the quanta of a source: of
each basis spectrum b where its rate depends on place or time (`rates`), at a few drift fields f
where there is a map of it (`fields`). alpha and beta are a and b with densities replaced by what
the selection keeps, at cubature nodes k of the fiducial volume: mu is exact, free of noise, and
differentiable in every constant, as R is. R is in events per PE^2 per us of drift time, relative
to events equally likely over the cross-section and the live time; e is the acceptance of an
event. Accidental coincidences have a density in S1 and S2 of their own.

The rate of an event far outside the model is `FLOOR` at least, so that log L stays finite; a
note of the fit names it.
"""

from collections.abc import Collection

import equinox as eqx
import numpy as np

from neyman._jax import Array, Scalar, jax, jnp
from neyman.auxiliary import Auxiliary
from neyman.likelihoods.xenon.accidentals import Accidentals
from neyman.likelihoods.xenon.differential import differential
from neyman.likelihoods.xenon.edges import LOST, lost
from neyman.likelihoods.xenon.events import Events, bucket
from neyman.likelihoods.xenon.expected import Quanta, kept
from neyman.likelihoods.xenon.fields import field_shares
from neyman.likelihoods.xenon.selection import Points, Selection
from neyman.likelihoods.xenon.signals import Law, charge, light
from neyman.likelihoods.xenon.simulate import simulate
from neyman.likelihoods.xenon.source import Source
from neyman.likelihoods.xenon.yields import Constants
from neyman.model import Data, Model, ObservedLikelihood
from neyman.parameters import Parameters
from neyman.status import InputError, Note, Status

FLOOR = 1e-200
"""The least differential rate of an event: log R = -460."""
FEW = 5
"""Events that notes name; they count the others."""


class EventModel(Model):
    """p(events|theta): `main` is `Events` with the columns that `columns` lists.

    A parameter named after a constant floats it; `NAME_rate` multiplies the events of the
    source NAME. All others stay at `constants`. Where there is a map of the drift field,
    `drift_field` scales it: the map is as given where `drift_field` has its initial value.
    """

    sources: tuple[Source, ...]
    accidentals: tuple[Accidentals, ...]
    constants: dict[str, Array]
    places: Points
    """Cubature nodes of the fiducial volume, (K,)."""
    volume: Array
    """The share of the volume of each node, (K,); they sum to 1."""
    positions: dict[str, Array]
    """Columns of places and times, uniform in volume and live time, from which simulated events
    take theirs."""
    field_nodes: Array
    """V/cm, (F,); of the map as it is given."""
    selection: Selection = eqx.field(static=True)
    drift_times: tuple[float, float] = eqx.field(static=True)
    """us; the range of the fiducial volume."""
    photons: tuple[int, ...] = eqx.field(static=True)
    """The largest number of detected photons counted, on the lattice of each of `steps`."""
    capacity: int = eqx.field(static=True)
    """Simulated data sets have room for this many events before selection."""
    meanings: tuple[str, ...] = eqx.field(static=True)
    """What each parameter floats, in the order of theta: their names, until they are renamed."""
    parameters: Parameters = eqx.field(static=True)
    auxiliary: Auxiliary
    poi: str | None = eqx.field(static=True)
    notes: tuple[Note, ...] = eqx.field(static=True)
    digest: str = eqx.field(static=True)

    @property
    def dear(self) -> bool:
        return True

    @property
    def names(self) -> tuple[str, ...]:
        """Of the sources, in the order of `expected_events`."""
        return tuple(source.name for source in (*self.sources, *self.accidentals))

    @property
    def rate_names(self) -> set[str]:
        """The meanings of rate multipliers."""
        return {f"{name}_rate" for name in self.names}

    @property
    def varies(self) -> bool:
        """Whether the drift field does, over the detector."""
        return len(self.field_nodes) > 1

    @property
    def steps(self) -> tuple[int, ...]:
        """The lattices of quanta that there are."""
        return tuple(sorted({at.step for source in self.sources for at in source.lattices}))

    @property
    def columns(self) -> tuple[str, ...]:
        """What an event needs."""
        rates = [name for source in self.sources for name in source.columns]
        return ("s1", "s2", *self.places.columns, *rates)

    def observe(self, x: Data) -> ObservedLikelihood:
        for name in self.columns:
            if name not in x.main.columns:
                there = ", ".join(x.main.columns)
                remedy = f"there are {there}; see read_events and with_rates"
                raise InputError("events", f"there is no column '{name}'", remedy)
        return ObservedLikelihood(self, x)

    def at(self, theta: Array) -> tuple[Constants, Array]:
        """The constants at theta, and the rate multiplier of each source, (S,)."""
        named = {name: theta[i] for i, name in enumerate(self.meanings)}
        rates = [named.get(f"{name}_rate", jnp.ones(())) for name in self.names]
        known = {name: value for name, value in named.items() if name in self.constants}
        return {**self.constants, **known}, jnp.stack(rates)

    def fields(self, c: Constants) -> Array:
        """The drift fields of the quanta matrices in V/cm, (F,)."""
        if not self.varies:
            return jnp.stack([c["drift_field"]])
        return self.field_nodes * (c["drift_field"] / self.constants["drift_field"])

    def field_shares(self, points: Points) -> Array | None:
        """Of each field in what is seen at K places, (K, F); None where there is one field."""
        return field_shares(points.field, jnp.asarray(self.field_nodes))

    def quanta(self, theta: Array) -> Quanta:
        """Q of each lattice of each source, (B, F, electrons, photons), events included."""
        c, rates = self.at(theta)
        return tuple(
            tuple(rate * q for q in source.quanta(c, self.fields(c)))
            for rate, source in zip(rates, self.sources)
        )

    def main_log_prob(self, theta: Array, main: Events) -> Scalar:
        quanta, (c, rates) = self.quanta(theta), self.at(theta)
        rate = differential(self, quanta, c, rates, main.columns)
        present = main.weight > 0
        log_rate = jnp.log(jnp.where(present, jnp.maximum(rate, FLOOR), 1.0))
        mu = self.expected_of(kept(self, quanta, c), rates)
        return jnp.sum(main.weight * log_rate) - jnp.sum(mu)

    def differential_rates(self, theta: Array, events: Events) -> Array:
        """R of each event, (N,), in events per PE^2 per us."""
        return differential(self, self.quanta(theta), *self.at(theta), events.columns)

    def expected_events(self, theta: Array) -> Array:
        """mu of each source, (S,)."""
        c, rates = self.at(theta)
        return self.expected_of(kept(self, self.quanta(theta), c), rates)

    def expected_counts(self, theta: Array) -> Array | None:
        """In cells of S1 and S2, so that they tell what a signal has to be told from."""
        from neyman.likelihoods.xenon.template import edges, template

        theta = jnp.asarray(theta)
        initial = jnp.asarray(np.asarray(self.parameters.init))
        return jnp.sum(template(self, theta, *edges(self, initial)), axis=0).ravel()

    def size(self, step: int) -> tuple[int, int]:
        """The numbers of electrons and photons that every lattice of a step fits in."""
        shapes = [at.shape for s in self.sources for at in s.lattices if at.step == step]
        electrons, photons = zip(*shapes)
        return max(electrons), max(photons)

    def signals(
        self, s1: Law, s2: Law, points: Points, c: Constants, step: int = 1
    ) -> tuple[Array, Array]:
        """P(S2|ne), (K, electrons), and P(S1|nph), (K, photons), at K places or at one."""
        electrons, photons = self.size(step)
        most = self.photons[self.steps.index(step)]
        b = charge(s2, points.s2_map, points.drift_time, electrons, c, step=step)
        return b, light(s1, points.s1_map, photons, most, c, step=step)

    def expected_of(self, kept: Array, rates: Array) -> Array:
        """mu of each source, (S,), from `expected.kept`."""
        first = len(self.sources)
        return jnp.concatenate([jnp.ones(first), rates[first:]]) * kept

    def main_sample(self, key: Array, theta: Array) -> Events:
        return simulate(key, self, *self.at(theta))

    def main_expected(self, theta: Array) -> Events:
        from neyman.likelihoods.xenon.asimov import asimov

        return asimov(self, jnp.asarray(theta))

    def near(self, theta: np.ndarray, tested: Collection[str]) -> Model | None:
        from neyman.likelihoods.xenon.expanded import expanded

        meant = {self.meanings[self.parameters.index(name)] for name in tested}
        return expanded(self, np.asarray(theta)) if meant <= self.rate_names else None

    def compacted(self, main: Events) -> Events:
        weight = np.asarray(main.weight)
        if np.any(np.isnan(weight)):  # more events than room: such toys fail, and are counted
            return main
        order = np.argsort(weight == 0, axis=-1, kind="stable")
        size = min(bucket(int(np.max(np.sum(weight > 0, axis=-1), initial=0))), weight.shape[-1])

        def first(of: Array) -> np.ndarray:
            return np.take_along_axis(np.asarray(of), order[..., :size], axis=-1)

        return Events({name: first(of) for name, of in main.columns.items()}, first(weight))

    def doubts(self, theta: np.ndarray, data: Data) -> tuple[Note, ...]:
        """Events of no rate: `FLOOR` stands in for it; and sources that have lost quanta."""
        return self._far(theta, data) + self._lost(theta)

    def _far(self, theta: np.ndarray, data: Data) -> tuple[Note, ...]:
        rates = np.asarray(_rates(self, jnp.asarray(theta), data.main))
        present = np.asarray(data.main.weight) > 0
        far, notes = np.flatnonzero(present & (rates <= FLOOR)), []
        for i in far[:FEW]:
            s1, s2 = (float(data.main.columns[name][i]) for name in ("s1", "s2"))
            place = f"event {i + 1} (S1 = {s1:.4g} PE, S2 = {s2:.4g} PE) is far outside the model"
            notes.append(Note(Status.SUSPICIOUS_INPUT, place))
        if len(far) > FEW:
            place = f"{len(far) - FEW} more events are far outside the model, {len(far)} in all"
            notes.append(Note(Status.SUSPICIOUS_INPUT, place))
        return tuple(notes)

    def _lost(self, theta: np.ndarray) -> tuple[Note, ...]:
        c, _ = self.at(jnp.asarray(theta))
        moved = [source for source in self.sources if not source.is_kept]
        shares = {source.name: float(lost(source, c, self.fields(c))) for source in moved}
        return tuple(
            Note(Status.QUANTA_LOST, f"source '{name}': {share:.2g} of its events")
            for name, share in shares.items()
            if not share <= LOST
        )

    def describe_nonfinite(self, theta: np.ndarray, data: Data) -> str:
        rates = np.asarray(self.differential_rates(jnp.asarray(theta), data.main))
        bad = np.flatnonzero(~np.isfinite(rates) & (np.asarray(data.main.weight) > 0))
        if len(bad):
            return f"event {bad[0] + 1}: differential rate is {rates[bad[0]]:g}"
        mu = np.asarray(self.expected_events(jnp.asarray(theta)))
        for name, expected in zip(self.names, mu):
            if not np.isfinite(expected):
                return f"source '{name}': expected events are {expected:g}"
        return "an auxiliary measurement"


@jax.jit
def _rates(model: EventModel, theta: Array, events: Events) -> Array:
    return model.differential_rates(theta, events)
