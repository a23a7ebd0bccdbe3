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

from collections.abc import Collection, Mapping

import equinox as eqx
import numpy as np

from neyman._jax import Array, Scalar, jax, jnp
from neyman.auxiliary import Auxiliary
from neyman.likelihoods.xenon.accidentals import Accidentals
from neyman.likelihoods.xenon.events import Events, bucket
from neyman.likelihoods.xenon.expected import Quanta, interpolated, kept
from neyman.likelihoods.xenon.fields import field_shares
from neyman.likelihoods.xenon.selection import Points, Selection
from neyman.likelihoods.xenon.signals import Law, charge, density, light
from neyman.likelihoods.xenon.simulate import simulate
from neyman.likelihoods.xenon.source import Source
from neyman.likelihoods.xenon.yields import Constants
from neyman.model import Data, Model, ObservedLikelihood
from neyman.parameters import Parameters
from neyman.status import InputError, Note, Status

FLOOR = 1e-200
"""The least differential rate of an event: log R = -460."""
FEW = 5
"""Events that notes name."""
CHUNK = 4096
"""Events evaluated at a time."""


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
    """V/cm, (F,)."""
    selection: Selection = eqx.field(static=True)
    drift_times: tuple[float, float] = eqx.field(static=True)
    """us; the range of the fiducial volume."""
    photons: int = eqx.field(static=True)
    """The largest number of detected photons counted."""
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

    def quanta(self, theta: Array) -> Quanta:
        """Q of each lattice of each source, (B, F, electrons, photons), events included."""
        c, rates = self.at(theta)
        return tuple(
            tuple(rate * q for q in source.quanta(c, self.fields(c)))
            for rate, source in zip(rates, self.sources)
        )

    def main_log_prob(self, theta: Array, main: Events) -> Scalar:
        quanta, (c, rates) = self.quanta(theta), self.at(theta)
        rate = self._differential(quanta, c, rates, main.columns)
        present = main.weight > 0
        log_rate = jnp.log(jnp.where(present, jnp.maximum(rate, FLOOR), 1.0))
        return jnp.sum(main.weight * log_rate) - jnp.sum(self._expected(quanta, c, rates))

    def differential_rates(self, theta: Array, events: Events) -> Array:
        """R of each event, (N,), in events per PE^2 per us."""
        return self._differential(self.quanta(theta), *self.at(theta), events.columns)

    def expected_events(self, theta: Array) -> Array:
        """mu of each source, (S,)."""
        return self._expected(self.quanta(theta), *self.at(theta))

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
        """P(S2|ne), (K, electrons), and P(S1|nph), (K, photons), at K places."""
        electrons, photons = self.size(step)
        b = charge(s2, points.s2_map, points.drift_time, electrons, c, step=step)
        return b, light(s1, points.s1_map, photons, self.photons, c, step=step)

    def _differential(
        self, quanta: Quanta, c: Constants, rates: Array, columns: Mapping[str, Array]
    ) -> Array:
        terms = self._terms(quanta)
        fields = self.fields(c)

        def of(some: dict[str, Array]) -> Array:
            s1, s2, points = some["s1"], some["s2"], points_of(some)
            shares = field_shares(points.field, fields)
            total = jnp.zeros(len(s1))
            for step in self.steps:
                b, a = self.signals(density(s1), density(s2), points, c, step)
                for name, q in terms[step]:
                    part = interpolated(b, q, a, shares)
                    total = total + (part if name is None else some[name] * part)
            for rate, source in zip(rates[len(self.sources) :], self.accidentals):
                total = total + rate * source.density(s1, s2)
            if self.selection.acceptances:
                total = total * self.selection.efficiency(s1, s2, points)
            return total

        needed = {name: columns[name] for name in self.columns}
        n = len(needed["s1"])
        low, high = self.drift_times
        if n <= CHUNK:
            return of(needed) / (high - low)
        padded = {k: jnp.pad(v, (0, -n % CHUNK), mode="edge") for k, v in needed.items()}
        chunks = {k: v.reshape(-1, CHUNK) for k, v in padded.items()}
        return jax.lax.map(jax.checkpoint(of), chunks).reshape(-1)[:n] / (high - low)

    def source_rates(self, quanta: Quanta, c: Constants, columns: Mapping[str, Array]) -> Array:
        """R of each event by source, (N, S); rate multipliers of accidentals left out."""
        points, fields = points_of(columns), self.fields(c)
        s1, s2 = columns["s1"], columns["s2"]
        shares = field_shares(points.field, fields)
        laws = density(s1), density(s2)
        signals = {step: self.signals(*laws, points, c, step) for step in self.steps}
        found: list[Array] = []
        for source, matrices in zip(self.sources, quanta):
            total = jnp.zeros(len(s1))
            for lattice, q in zip(source.lattices, matrices):
                b, a = signals[lattice.step]
                parts = [interpolated(b, basis, a, shares) for basis in q]
                names = source.columns or [None]
                for name, part in zip(names, parts):
                    total = total + (part if name is None else columns[name] * part)
            found.append(total)
        found += [source.density(s1, s2) for source in self.accidentals]
        low, high = self.drift_times
        every = jnp.stack(found, axis=1) / (high - low)
        return every * self.selection.efficiency(s1, s2, points)[:, None]

    def _terms(self, quanta: Quanta) -> dict[int, list[tuple[str | None, Array]]]:
        """Per step, matrices (F, electrons, photons) and the column that multiplies each; those
        of all uniform sources are one."""
        found: dict[int, list[tuple[str | None, Array]]] = {step: [] for step in self.steps}
        uniform: dict[int, list[Array]] = {step: [] for step in self.steps}
        for source, matrices in zip(self.sources, quanta):
            for lattice, q in zip(source.lattices, matrices):
                if source.at_places is None:
                    uniform[lattice.step].append(q[0])
                else:
                    found[lattice.step] += zip(source.columns, q)
        for step, matrices in uniform.items():
            if matrices:
                largest = [_enlarged(q, *self.size(step)) for q in matrices]
                found[step].append((None, sum(largest[1:], largest[0])))
        return found

    def _expected(self, quanta: Quanta, c: Constants, rates: Array) -> Array:
        first = len(self.sources)
        factors = jnp.concatenate([jnp.ones(first), rates[first:]])
        return factors * kept(self, quanta, c)

    def main_sample(self, key: Array, theta: Array) -> Events:
        return simulate(key, self, *self.at(theta))

    def main_expected(self, theta: Array) -> Events:
        from neyman.likelihoods.xenon.template import asimov

        return asimov(self, theta)

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
        """Events of no rate: `FLOOR` stands in for it."""
        rates = np.asarray(_rates(self, jnp.asarray(theta), data.main))
        present = np.asarray(data.main.weight) > 0
        notes = []
        for i in np.flatnonzero(present & (rates <= FLOOR))[:FEW]:
            s1, s2 = (float(data.main.columns[name][i]) for name in ("s1", "s2"))
            place = f"event {i + 1} (S1 = {s1:.4g} PE, S2 = {s2:.4g} PE) is far outside the model"
            notes.append(Note(Status.SUSPICIOUS_INPUT, place))
        return tuple(notes)

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


def points_of(columns: Mapping[str, Array]) -> Points:
    """The places of events."""
    here = (columns[name] for name in ("drift_time", "s1_map", "s2_map"))
    return Points(*here, columns.get("field"))


def _enlarged(quanta: Array, electrons: int, photons: int) -> Array:
    _, rows, columns = quanta.shape
    return jnp.pad(quanta, ((0, 0), (0, electrons - rows), (0, photons - columns)))
