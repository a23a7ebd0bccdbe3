"""Energy nodes on lattices of quanta, with windows for every field that is needed."""

from collections.abc import Sequence

import equinox as eqx
import numpy as np

from neyman._jax import Array, jax, jnp
from neyman.likelihoods.xenon.nodes import panels
from neyman.likelihoods.xenon.quanta import Recoil, Window, quanta_matrix, size_of
from neyman.likelihoods.xenon.windows import STEPS, steps, windows
from neyman.likelihoods.xenon.yields import Constants

WORTH = 0.25
"""Two lattices must cost no more than this part of one: the second doubles compilation."""
LEAST = 3e7
"""In cells, some seconds for a gradient; below, one lattice is quick enough."""


class Lattice(eqx.Module):
    """Energy nodes of a source whose quanta are counted in steps."""

    step: int = eqx.field(static=True)
    energies: tuple[Array, ...]
    """keV, per panel (K,)."""
    weights: tuple[Array, ...]
    """Events in the fiducial volume before any selection, per panel (B, K)."""
    windows: tuple[Window, ...] = eqx.field(static=True)
    shape: tuple[int, int] = eqx.field(static=True)
    """Of the quanta matrix, in (electrons, photons), in steps."""
    kept: Array | None = None
    """Q, where nothing that floats moves it."""

    def quanta(self, recoil: Recoil, c: Constants, fields: Array) -> Array:
        """Q, (B, F, electrons, photons), at F drift fields in V/cm."""
        if self.kept is not None:
            return jnp.asarray(self.kept)

        def of(weights: tuple[Array, ...], field: Array) -> Array:
            here = tuple(zip(self.energies, weights, self.windows))
            return quanta_matrix(
                recoil, here, self.shape, {**c, "drift_field": field}, step=self.step
            )

        def at(field: Array) -> Array:
            weights = tuple(map(jnp.asarray, self.weights))
            if len(weights[0]) == 1:
                return of(tuple(w[0] for w in weights), field)[None]
            return jax.vmap(of, (0, None))(weights, field)

        if len(fields) == 1:
            return at(fields[0])[:, None]
        return jnp.moveaxis(jax.lax.map(at, fields), 0, 1)


def lattices(
    recoil: Recoil, energies: np.ndarray, weights: np.ndarray, at_fields: Sequence[Constants]
) -> tuple[Lattice, ...]:
    """One lattice for sorted nodes (K,) of weights (B, K), or two at much less cost."""
    allowed = np.min([steps(recoil, energies, c) for c in at_fields], axis=0)
    allowed = np.minimum.accumulate(allowed[::-1])[::-1]

    def cost(part: np.ndarray, step: int) -> float:
        if not part.any():
            return 0.0
        e, i, o, _ = windows(recoil, energies[part], at_fields[0], step=step)
        return float(part.sum() * (e * i * (1.0 + o / 1000.0) + (e + i) * o / 30.0))

    def split(step: int) -> float:
        return cost(allowed < step, 1) + cost(allowed >= step, step)

    whole = cost(np.ones(len(energies), bool), 1)
    best = min(STEPS, key=split)
    if whole < LEAST or split(best) > WORTH * whole:
        return (_lattice(recoil, energies, weights, at_fields, 1),)
    parts = ((1, allowed < best), (best, allowed >= best))
    return tuple(
        _lattice(recoil, energies[part], weights[:, part], at_fields, step)
        for step, part in parts
        if part.any()
    )


def _lattice(
    recoil: Recoil,
    energies: np.ndarray,
    weights: np.ndarray,
    at_fields: Sequence[Constants],
    step: int,
) -> Lattice:
    numbers = np.arange(len(energies))
    grouped = panels(energies, numbers, recoil, at_fields[0], min(2, len(energies)), step=step)
    sizes = [size_of(recoil, energies, c, step=step) for c in at_fields]
    return Lattice(
        step=step,
        energies=tuple(np.asarray(e) for e, _, _ in grouped),
        weights=tuple(weights[:, i] for _, i, _ in grouped),
        windows=tuple(_largest(recoil, e, window, at_fields, step) for e, _, window in grouped),
        shape=(max(e for e, _ in sizes), max(p for _, p in sizes)),
    )


def _largest(
    recoil: Recoil, energies: np.ndarray, window: Window, at_fields: Sequence[Constants], step: int
) -> Window:
    """The window that serves every field."""
    others = [windows(recoil, energies, c, step=step) for c in at_fields[1:]]
    if not others:
        return window
    every = [window, *others]
    stride = min(w.stride for w in every)
    return Window(
        max(w.electrons for w in every),
        max(-(-w.ions * w.stride // stride) for w in every) + 1,
        max(w.others for w in every),
        stride,
    )
