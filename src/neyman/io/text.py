"""Text for people: names in a file are data, never control sequences."""

import re

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """`text` with control characters, except line ends, as escapes: `\\x1b`."""
    return _CONTROL.sub(lambda match: ascii(match.group())[1:-1], text)
