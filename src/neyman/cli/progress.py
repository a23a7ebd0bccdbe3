"""Progress of long loops: a bar on stderr, where that is a terminal, after two seconds."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from neyman.execute import progress_bar

T = TypeVar("T")


def tracked(items: Sequence[T], what: str) -> Iterator[T]:
    """The items, one by one, with a bar called `what` once it takes long."""
    with progress_bar(what) as report:
        for i, item in enumerate(items):
            report(i, len(items))
            yield item
