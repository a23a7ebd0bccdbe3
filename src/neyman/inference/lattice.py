"""Level curves of a function of two variables, by marching squares on a lattice refined where
the curves are.

Cells that a curve crosses, their neighbours and the cell of the best fit are cut in four, down
to the finest size. From there cells are added wherever a curve leaves those known, so that no
curve is broken, however far it runs. Where it crosses the edge of a cell is a root along that
edge. Curves may be of any shape and number; an island smaller than a coarse cell is missed.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy.optimize

Node = tuple[int, int]
Edge = tuple[Node, Node]
FARTHEST = 4
"""Lattices reach so many times their first extent."""
CLIP = 1e12


@dataclasses.dataclass(frozen=True)
class Axis:
    """Finest nodes: node i lies at low + i step; curves end at the nodes `first` and `last`."""

    low: float
    step: float
    first: int
    last: int

    @classmethod
    def of(cls, low: float, high: float, bounds: tuple[float, float], cells: int) -> "Axis":
        """`cells` from low to high, and more of them as far as the bounds allow."""
        step = (high - low) / cells
        below, above = (low - bounds[0]) / step, (bounds[1] - high) / step
        first = -int(min(below + 1e-9, FARTHEST * cells))
        return cls(low, step, first, cells + int(min(above + 1e-9, FARTHEST * cells)))

    def __call__(self, i: int | float) -> float:
        return self.low + i * self.step


@dataclasses.dataclass
class Lattice:
    """t at nodes, and the critical values with which the levels' curves t = c are drawn."""

    axes: tuple[Axis, Axis]
    t: Callable[[float, float], float]
    critical: Callable[[float, float], np.ndarray]
    """c at a point, (L,)."""

    def __post_init__(self) -> None:
        self._nodes: dict[Node, tuple[float, np.ndarray]] = {}

    def node(self, node: Node) -> tuple[float, np.ndarray]:
        """t and c, (L,)."""
        if node not in self._nodes:
            x, y = self.axes[0](node[0]), self.axes[1](node[1])
            self._nodes[node] = self._t(x, y), self.critical(x, y)
        return self._nodes[node]

    def _t(self, x: float, y: float) -> float:
        value = self.t(x, y)
        return min(value, CLIP) if np.isfinite(value) else CLIP

    def inside(self, node: Node) -> np.ndarray:
        """Per level, whether the node is accepted, (L,)."""
        t, c = self.node(node)
        return t <= c

    def has(self, cell: Node, size: int = 1) -> bool:
        """Whether the cell lies within both axes."""
        return all(a.first <= i and i + size <= a.last for a, i in zip(self.axes, cell))

    def crossed(self, cell: Node, size: int) -> bool:
        accepted = np.array([self.inside(corner) for corner in corners(cell, size)])
        return bool(np.any(accepted.any(axis=0) & ~accepted.all(axis=0)))

    def refined(self, cells: int, depth: int, best: tuple[float, float]) -> set[Node]:
        """The finest cells that curves cross, from cells^2 coarse ones."""
        size = 2**depth
        tried = {(i * size, j * size) for i in range(cells) for j in range(cells)}
        while size > 1:
            active = {cell for cell in tried if self.crossed(cell, size)}
            active.add(self._cell_of(best, size))
            near = {n for cell in active for n in neighbours(cell, size) if self.has(n, size)}
            size //= 2
            tried = {n for cell in near | active for n in corners(cell, size)}
        return {cell for cell in tried if self.crossed(cell, 1)}

    def _cell_of(self, point: tuple[float, float], size: int) -> Node:
        i, j = (
            min(int((x - a.low) / (a.step * size)) * size, a.last - size)
            for a, x in zip(self.axes, point)
        )
        return i, j

    def curves(self, cells: set[Node], level: int) -> list[np.ndarray]:
        """The curves of one level, each (n, 2); a closed one ends where it begins."""
        links: dict[Edge, list[Edge]] = {}
        waiting, seen = list(cells), set(cells)
        while waiting:
            cell = waiting.pop()
            for a, b in self._segments(cell, level):
                links.setdefault(a, []).append(b)
                links.setdefault(b, []).append(a)
                for edge in (a, b):
                    more = {c for c in beside(edge) if self.has(c)} - seen
                    seen |= more
                    waiting += more
        points = {edge: self._point(edge, level) for edge in links}
        return [np.array([points[edge] for edge in chain]) for chain in chains(links)]

    def _segments(self, cell: Node, level: int) -> list[tuple[Edge, Edge]]:
        """The pieces of curve in a cell, as pairs of crossed edges."""
        around = corners(cell, 1)
        accepted = [bool(self.inside(corner)[level]) for corner in around]
        edges = [edge(around[k], around[k - 3]) for k in range(4) if accepted[k] != accepted[k - 3]]
        if len(edges) < 4:
            return [(edges[0], edges[1])] if edges else []
        mean = np.mean([self.node(c)[0] - self.node(c)[1][level] for c in around])
        first = 1 if (mean <= 0) == accepted[0] else 3  # which corners the saddle cuts off
        return [(edges[0], edges[first]), (edges[2], edges[4 - first])]

    def _point(self, edge: Edge, level: int) -> tuple[float, float]:
        """Where t = c along an edge, c interpolated."""
        (u, v), (x, y) = edge, self.axes

        def at(s: float) -> tuple[float, float]:
            return x(u[0] + s * (v[0] - u[0])), y(u[1] + s * (v[1] - u[1]))

        (t_u, c_u), (t_v, c_v) = self.node(u), self.node(v)

        def excess(s: float) -> float:
            t = t_u if s == 0 else t_v if s == 1 else self._t(*at(s))
            return t - (1 - s) * c_u[level] - s * c_v[level]

        if excess(0.0) == 0 or excess(1.0) == 0:
            return at(0.0 if excess(0.0) == 0 else 1.0)
        return at(scipy.optimize.brentq(excess, 0.0, 1.0, xtol=1e-4))


def corners(cell: Node, size: int) -> list[Node]:
    """In order around the cell, which is named by its first corner."""
    i, j = cell
    return [(i, j), (i + size, j), (i + size, j + size), (i, j + size)]


def neighbours(cell: Node, size: int) -> list[Node]:
    i, j = cell
    steps = (-size, 0, size)
    return [(i + a, j + b) for a in steps for b in steps if a or b]


def edge(a: Node, b: Node) -> Edge:
    return (a, b) if a < b else (b, a)


def beside(of: Edge) -> tuple[Node, Node]:
    """The two cells that share an edge."""
    (i, j), (k, _) = of
    return ((i, j), (i, j - 1)) if k > i else ((i, j), (i - 1, j))


def chains(links: dict[Edge, list[Edge]]) -> list[list[Edge]]:
    """Edges in the order in which a curve meets them; open curves first."""
    left = {e: list(others) for e, others in links.items()}
    found = []
    for start in sorted(left, key=lambda e: (len(links[e]), e)):
        if not left[start]:
            continue
        chain = [start]
        while left[chain[-1]]:
            here = chain[-1]
            there = left[here].pop()
            left[there].remove(here)
            chain.append(there)
        found.append(chain)
    return found
