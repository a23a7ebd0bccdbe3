"""The likelihood of events in a liquid-xenon detector, each with its S1, S2 and place.

    log p(x|theta) = -mu(theta) + sum_i log R(s_i|theta),    R = sum over sources rate dR
    dR_i = sum_{ne, nph} P(S2_i|ne) Q[ne, nph] P(S1_i|nph) p(place_i)
    mu   = sum_k w_k sum_{ne, nph} P(S2 selected|ne, k) Q[ne, nph] P(S1 selected|nph, k)

(the extended likelihood; flamedisx, arXiv:2003.12483). Both share one quanta matrix Q, and k
runs over cubature nodes of the fiducial volume: mu is exact, free of noise, and differentiable
in every constant, as R is. R is in events per PE^2 per us of drift time; places are uniform in
the fiducial volume. Nothing is truncated but the rate of an event far outside the model, which
is `FLOOR` at least, so that log L stays finite; `describe_nonfinite` and `outside` name it.
"""

from collections.abc import Mapping

import equinox as eqx
import numpy as np

from neyman._jax import Array, Scalar, jax, jnp
from neyman.auxiliary import Auxiliary
from neyman.likelihoods.xenon.events import Events
from neyman.likelihoods.xenon.selection import Points, Selection
from neyman.likelihoods.xenon.signals import Law, charge, density, light, within
from neyman.likelihoods.xenon.simulate import simulate
from neyman.likelihoods.xenon.source import Source
from neyman.likelihoods.xenon.yields import Constants
from neyman.model import Data, Model
from neyman.parameters import Parameters
from neyman.status import Note

FLOOR = 1e-200
"""The least differential rate of an event: log R = -460."""
CHUNK = 4096
"""Events evaluated at a time."""


class EventModel(Model):
    """p(events|theta): `main` is `Events` with the columns s1, s2, drift_time, s1_map, s2_map.

    A parameter named after a constant floats it; `NAME_rate` multiplies the events of the
    source NAME. All others stay at `constants`.
    """

    sources: tuple[Source, ...]
    constants: dict[str, Array]
    places: Points
    """Cubature nodes of the fiducial volume, (K,)."""
    volume: Array
    """The share of the volume of each node, (K,); they sum to 1."""
    positions: Points
    """Places, uniform in the fiducial volume, from which simulated events take theirs."""
    selection: Selection = eqx.field(static=True)
    drift_times: tuple[float, float] = eqx.field(static=True)
    """us; the range of the fiducial volume."""
    photons: int = eqx.field(static=True)
    """The largest number of detected photons counted."""
    capacity: int = eqx.field(static=True)
    """Simulated data sets have room for this many events before selection."""
    parameters: Parameters = eqx.field(static=True)
    auxiliary: Auxiliary
    poi: str | None = eqx.field(static=True)
    notes: tuple[Note, ...] = eqx.field(static=True)
    digest: str = eqx.field(static=True)

    @property
    def dear(self) -> bool:
        return True

    def at(self, theta: Array) -> tuple[Constants, Array]:
        """The constants at theta, and the rate multiplier of each source, (S,)."""
        p = self.parameters
        named = {name: theta[i] for i, name in enumerate(p.names)}
        rates = [named.get(f"{s.name}_rate", jnp.ones(())) for s in self.sources]
        known = {name: value for name, value in named.items() if name in self.constants}
        return {**self.constants, **known}, jnp.stack(rates)

    def quanta(self, theta: Array) -> tuple[Array, ...]:
        """Q of each source, events included."""
        c, rates = self.at(theta)
        return tuple(rate * source.quanta(c) for rate, source in zip(rates, self.sources))

    def main_log_prob(self, theta: Array, main: Events) -> Scalar:
        quanta, (c, _) = self.quanta(theta), self.at(theta)
        rate = self._differential(quanta, c, main.columns)
        present = main.weight > 0
        log_rate = jnp.log(jnp.where(present, jnp.maximum(rate, FLOOR), 1.0))
        return jnp.sum(main.weight * log_rate) - jnp.sum(self._expected(quanta, c))

    def differential_rates(self, theta: Array, events: Events) -> Array:
        """R of each event, (N,), in events per PE^2 per us."""
        return self._differential(self.quanta(theta), self.at(theta)[0], events.columns)

    def expected_events(self, theta: Array) -> Array:
        """mu of each source, (S,)."""
        return self._expected(self.quanta(theta), self.at(theta)[0])

    def expected_counts(self, theta: Array) -> Array | None:
        return self.expected_events(jnp.asarray(theta))

    def _size(self) -> tuple[int, int]:
        """The numbers of electrons and photons that every source fits in."""
        electrons, photons = zip(*(source.shape for source in self.sources))
        return max(electrons), max(photons)

    def signals(self, s1: Law, s2: Law, points: Points, c: Constants) -> tuple[Array, Array]:
        """P(S2|ne), (K, electrons), and P(S1|nph), (K, photons), at K places."""
        electrons, photons = self._size()
        b = charge(s2, points.s2_map, points.drift_time, electrons, c)
        return b, light(s1, points.s1_map, photons, self.photons, c)

    def _differential(
        self, quanta: tuple[Array, ...], c: Constants, columns: Mapping[str, Array]
    ) -> Array:
        electrons, photons = self._size()
        together = sum(
            (_enlarged(q, electrons, photons) for q in quanta[1:]),
            _enlarged(quanta[0], electrons, photons),
        )

        def of(some: dict[str, Array]) -> Array:
            s1, s2 = density(some["s1"]), density(some["s2"])
            points = Points(some["drift_time"], some["s1_map"], some["s2_map"])
            b, a = self.signals(s1, s2, points, c)
            return contracted(b, together, a)

        needed = {k: columns[k] for k in ("s1", "s2", "drift_time", "s1_map", "s2_map")}
        n = len(needed["s1"])
        low, high = self.drift_times
        if n <= CHUNK:
            return of(needed) / (high - low)
        padded = {k: jnp.pad(v, (0, -n % CHUNK), mode="edge") for k, v in needed.items()}
        chunks = {k: v.reshape(-1, CHUNK) for k, v in padded.items()}
        return jax.lax.map(jax.checkpoint(of), chunks).reshape(-1)[:n] / (high - low)

    def _expected(self, quanta: tuple[Array, ...], c: Constants) -> Array:
        s1, s2 = self.selection.raw_s1(self.places), self.selection.raw_s2(self.places)
        b, a = self.signals(within(*s1), within(*s2), self.places, c)
        return jnp.stack([self.volume @ contracted(b, q, a) for q in quanta])

    def main_sample(self, key: Array, theta: Array) -> Events:
        c, rates = self.at(theta)
        return simulate(key, self.sources, rates, c, self.positions, self.selection, self.capacity)

    def main_expected(self, theta: Array) -> Events:
        from neyman.likelihoods.xenon.template import asimov

        return asimov(self, theta)

    def describe_nonfinite(self, theta: np.ndarray, data: Data) -> str:
        rates = np.asarray(self.differential_rates(jnp.asarray(theta), data.main))
        bad = np.flatnonzero(~np.isfinite(rates) & (np.asarray(data.main.weight) > 0))
        if len(bad):
            return f"event {bad[0]}: differential rate is {rates[bad[0]]:g}"
        mu = np.asarray(self.expected_events(jnp.asarray(theta)))
        for source, expected in zip(self.sources, mu):
            if not np.isfinite(expected):
                return f"source '{source.name}': expected events are {expected:g}"
        return "an auxiliary measurement"


def _enlarged(quanta: Array, electrons: int, photons: int) -> Array:
    rows, columns = quanta.shape
    return jnp.pad(quanta, ((0, electrons - rows), (0, photons - columns)))


def contracted(b: Array, quanta: Array, a: Array) -> Array:
    """sum over ne and nph of b[i, ne] Q[ne, nph] a[i, nph], (N,)."""
    electrons, photons = quanta.shape
    return jnp.sum((b[:, :electrons] @ quanta) * a[:, :photons], axis=1)
