"""Groups of chains in chunks: each is stored whole, with the state from which the next one starts.

A group is what runs in one program: some chains, one ensemble, one nested run. Its chunk 0 is the
warm-up. A chunk depends on the spec, the state before it, its group and its index alone. So groups
go to any workers, and a run that was killed goes on from the last chunks in the folder, and all end
in the same bits.
"""

import pathlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from neyman.execute import Failed, Processes, execute, progress_bar
from neyman.inference.toy_test import Workplace
from neyman.io.chunks import Arrays, ChunkStore
from neyman.status import InputError, Note

STATE = "state."


class Piece(NamedTuple):
    """What one chunk gives: draws and what is known of them, and the sampler's state after it."""

    output: Arrays
    state: Arrays

    def arrays(self) -> Arrays:
        """As it travels and is stored."""
        return self.output | {STATE + k: np.asarray(v) for k, v in self.state.items()}

    @classmethod
    def of(cls, found: Arrays) -> "Piece":
        state = {k.removeprefix(STATE): v for k, v in found.items() if k.startswith(STATE)}
        return cls({k: v for k, v in found.items() if not k.startswith(STATE)}, state)


def pieces(
    advance: Callable[[Any], Arrays],
    job: Callable[[int, int, Arrays], Any],
    groups: int,
    *,
    workplace: Workplace,
    store: ChunkStore | None,
    going_on: Callable[[int, Piece], bool],
    expected: int,
    label: str,
) -> list[list[Piece]]:
    """Chunks 0, 1, ... of each group while `going_on(index, piece)` of its last.

    `job(group, index, state)` is what `advance` takes; the bar shows `expected` chunks a group.

    Raises:
        InputError: a chunk that failed; those that are stored are kept.
    """
    found: list[list[Piece]] = [[] for _ in range(groups)]
    active, index, done = list(range(groups)), 0, 0
    with hired(workplace) as workers, progress_bar(label) as progress:
        while active:
            jobs = [job(g, index, found[g][-1].state if index else {}) for g in active]
            numbers = [index * groups + g for g in active]
            progress(done, max(expected * groups, done))
            for g, arrays in zip(
                active,
                execute(
                    advance,
                    jobs,
                    workers=workers,
                    store=store,
                    numbers=numbers,
                    timeout=workplace.timeout,
                ),
                strict=True,
            ):
                if isinstance(arrays, Failed):
                    raise InputError(
                        label, str(arrays), "try again; fewer workers need less memory"
                    )
                found[g].append(Piece.of(arrays))
                done += 1
            active = [g for g in active if going_on(index, found[g][-1])]
            index += 1
    return found


class hired:
    """Workers that stay for all chunks, with what they have compiled."""

    def __init__(self, workplace: Workplace):
        self.workers = workplace.workers
        self.pool: Processes | None = None

    def __enter__(self) -> Any:
        if isinstance(self.workers, int) and self.workers > 1:
            self.pool = Processes(self.workers)
        return self.workers if self.pool is None else self.pool

    def __exit__(self, *_: object) -> None:
        if self.pool is not None:
            self.pool.close()


def opened(folder: str | pathlib.Path | None, spec: dict[str, Any]) -> ChunkStore | None:
    """The store of a run, if one is asked for."""
    return None if folder is None else ChunkStore(folder, spec)


def damaged(store: ChunkStore | None) -> tuple[Note, ...]:
    """What the store found damaged, and was computed again."""
    return () if store is None else tuple(store.notes)


def joined(parts: list[Piece], name: str, axis: int) -> np.ndarray:
    """One array of the chunks of a group."""
    return np.concatenate([part.output[name] for part in parts], axis=axis)


def shares(number: int, groups: int) -> Iterator[range]:
    """`number` chains in groups whose sizes differ by one at most."""
    for part in np.array_split(np.arange(number), groups):
        yield range(int(part[0]), int(part[-1]) + 1)
