"""A chain in chunks: each is stored whole, with the state from which the next one starts.

Chunk 0 is the warm-up. A chunk depends on the spec, the state before it and its index alone, so
that a run that was killed goes on from the last chunk in the folder and ends in the same bits.
"""

import pathlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from neyman.execute import progress_bar
from neyman.io.chunks import Arrays, ChunkStore, plain_arrays
from neyman.status import Note

STATE = "state."


class Piece(NamedTuple):
    """What one chunk gives: draws and what is known of them, and the sampler's state after it."""

    output: Arrays
    state: Arrays


def pieces(
    advance: Callable[[int, Arrays], Piece],
    *,
    store: ChunkStore | None,
    going_on: Callable[[int, Piece], bool],
    expected: int,
    label: str,
) -> Iterator[Piece]:
    """Chunks 0, 1, ... while `going_on(index, piece)` of the last; `expected` is for the bar."""
    state: Arrays = {}
    index = 0
    with progress_bar(label) as progress:
        while True:
            progress(index, max(expected, index))
            found = store.load(index) if store is not None else None
            if found is None:
                output, after = advance(index, state)
                found = plain_arrays(output | {STATE + k: v for k, v in after.items()})
                if store is not None:
                    store.save(index, found)
            state = {k.removeprefix(STATE): v for k, v in found.items() if k.startswith(STATE)}
            piece = Piece({k: v for k, v in found.items() if not k.startswith(STATE)}, state)
            yield piece
            if not going_on(index, piece):
                return
            index += 1


def opened(folder: str | pathlib.Path | None, spec: dict[str, Any]) -> ChunkStore | None:
    """The store of a run, if one is asked for."""
    return None if folder is None else ChunkStore(folder, spec)


def damaged(store: ChunkStore | None) -> tuple[Note, ...]:
    """What the store found damaged, and was computed again."""
    return () if store is None else tuple(store.notes)


def joined(parts: list[Piece], name: str, axis: int) -> np.ndarray:
    """One array of all chunks."""
    return np.concatenate([part.output[name] for part in parts], axis=axis)
