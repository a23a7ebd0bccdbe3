"""Text for terminals."""

from neyman.io.text import printable as printable


def shortened(text: str, most: int = 200) -> str:
    """`text` with its end left out where it is very long."""
    return text if len(text) <= most else f"{text[:most]}..."


def abbreviated(items: list[str], most: int) -> str:
    """The first `most` of `items`, and how many more there are."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more
