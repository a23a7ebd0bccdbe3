"""Text for terminals: names in a file are data, never control sequences."""

import re

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """`text` with control characters, except line ends, as escapes: `\\x1b`."""
    return _CONTROL.sub(lambda match: ascii(match.group())[1:-1], text)


def shortened(text: str, most: int = 200) -> str:
    """`text` with its end left out where it is very long."""
    return text if len(text) <= most else f"{text[:most]}..."


def abbreviated(items: list[str], most: int) -> str:
    """The first `most` of `items`, and how many more there are."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more
