"""Away from saddle points: Newton's method ends wherever the gradient vanishes.

By symmetry it may vanish where -log L is no minimum: a variation that is the same up and down
leaves d log L/d alpha = 0 at alpha = 0, where every fit begins. There the Hessian has a negative
eigenvalue, along whose vector -log L falls on both sides (Nocedal and Wright, Numerical
Optimization, 2nd ed., section 3.4). The lower of the two minima there is taken.
"""

import numpy as np

from neyman.inference.newton import Minimum, minimise
from neyman.model import Likelihood
from neyman.status import Status

CURVED = -1e-6
"""An eigenvalue of the Hessian below this, in units of its diagonal, is no rounding."""
MOST = 10


def descended(like: Likelihood, found: Minimum, free: np.ndarray) -> Minimum:
    """`found`, or where it is a saddle point a minimum below it."""
    for _ in range(MOST):
        direction = falling(like, found, free)
        if direction is None:
            break
        p, theta = like.parameters, np.asarray(found.theta)
        starts = [np.clip(theta + sign * direction, p.lower, p.upper) for sign in (1.0, -1.0)]
        ends = [minimise(like, np.where(free, start, theta), free) for start in starts]
        fine = [end for end in ends if int(end.status) == Status.FINE]
        lowest = min(fine, key=lambda end: end.value, default=found)
        if not lowest.value < found.value - 1e-9:
            break
        found = lowest
    return found


def falling(like: Likelihood, found: Minimum, free: np.ndarray) -> np.ndarray | None:
    """The direction (P,) in which -log L curves down most, in units of the curvatures; None at a
    minimum."""
    if found.definite or int(found.status) != Status.FINE:
        return None
    p, theta = like.parameters, np.asarray(found.theta)
    inside = np.flatnonzero(free & (theta > p.lower) & (theta < p.upper))
    block = np.asarray(found.derivatives.hessian)[inside[:, None], inside]
    if not len(inside) or not np.all(np.isfinite(block)):
        return None
    scale = np.sqrt(np.abs(np.diagonal(block)))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(block / np.outer(scale, scale))
    if values[0] > CURVED:
        return None
    direction = np.zeros(len(theta))
    direction[inside] = vectors[:, 0] / scale
    return direction
