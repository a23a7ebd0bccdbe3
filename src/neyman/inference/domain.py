"""Whether a result rests on points outside the domain in which a likelihood is known."""

import numpy as np

from neyman.model import Likelihood
from neyman.status import Note, Status

FEW = 0.01
"""Draws outside are a warning up to this part of all, and a failure above."""

NOTHING = 1e-6
"""A smaller part is not counted: weighted draws of nested sampling begin all over the prior."""


def domain_notes(like: Likelihood, thetas: np.ndarray) -> tuple[Note, ...]:
    """A note where some of thetas, (N, P), lie outside; which parameters leave the domain."""
    if not len(thetas) or type(like).outside is Likelihood.outside:  # known everywhere
        return ()
    found = like.outside(thetas)
    if not found.rows.any():
        return ()
    many = f"{int(found.rows.sum())} of {len(thetas)} points, " if len(thetas) > 1 else ""
    return (Note(Status.OUTSIDE_DOMAIN, many + found.where),)


def draws_notes(like: Likelihood, thetas: np.ndarray, weights: np.ndarray) -> tuple[Note, ...]:
    """The same of draws, (N, P), with weights (N,) that sum to 1."""
    found = like.outside(thetas)
    part = float(weights @ found.rows)
    if part < NOTHING:
        return ()
    status = Status.TAIL_OUTSIDE if part <= FEW else Status.OUTSIDE_DOMAIN
    return (Note(status, f"{100 * part:.2g} % of the draws, {found.where}"),)
