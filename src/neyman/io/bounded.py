"""Bytes of a file, never more than asked for.

The size is checked before it is allocated: a file by its `stat`, a gzip stream while it is
unpacked. Deflate packs at most 1032 to 1, text that people write about 5 to 20 to 1, so a
stream that unpacks to more than 200 times its size is a bomb; small ones (below 16 MB
unpacked) pass whatever their ratio.
"""

import os
import pathlib
import stat
import zlib

from neyman.status import InputError

MB = 1024**2
MAX_BYTES = 256 * MB
MAX_RATIO = 200
RATIO_FLOOR = 16 * MB
MAX_STREAMS = 100  # a gzip file may be several streams, one after the other

GZIP_MAGIC = b"\x1f\x8b"

Pathlike = str | os.PathLike[str]


def read_bytes(path: Pathlike, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file, unpacked where they are gzip (by content, not by name).

    `max_bytes` caps the file and, separately, what it unpacks to.
    """
    data = read_raw(path, max_bytes)
    return gunzip(data, str(path), max_bytes) if data.startswith(GZIP_MAGIC) else data


def read_raw(path: Pathlike, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file as they are on disk."""
    name = str(path)
    try:
        info = os.stat(path)
        if stat.S_ISDIR(info.st_mode):
            raise InputError(name, "is a folder", "name a file in it")
        if not stat.S_ISREG(info.st_mode):
            raise InputError(name, "is a device or a pipe", "write its content to a file first")
        if info.st_size > max_bytes:
            raise InputError(
                name,
                f"has {info.st_size:,} bytes, more than the {max_bytes:,} allowed",
                "check that it is the file you mean",
            )
        with pathlib.Path(path).open("rb") as file:
            return file.read(info.st_size)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(name, "no such file", "check the path") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = getattr(error, "strerror", None) or error
        raise InputError(name, f"cannot be read ({reason})", "check the path") from None


def gunzip(data: bytes, name: str, max_bytes: int = MAX_BYTES) -> bytes:
    """Unpack gzip data; stops one byte beyond the cap, whatever the header promises."""
    limit = min(max_bytes, max(RATIO_FLOOR, MAX_RATIO * len(data)))
    pieces, size, rest = [], 0, data
    for _ in range(MAX_STREAMS):
        stream = zlib.decompressobj(wbits=31)  # 31: gzip header and checksum
        try:
            pieces.append(stream.decompress(rest, limit + 1 - size))
        except zlib.error as error:
            raise InputError(name, f"damaged gzip data ({error})", "fetch it again") from None
        size += len(pieces[-1])
        if size > limit:
            raise InputError(
                name,
                f"unpacks to more than {limit:,} bytes from {len(data):,}",
                "check the file, or unpack it yourself if you trust it",
            )
        if not stream.eof:
            raise InputError(name, "the gzip data end too early", "fetch the file again")
        rest = stream.unused_data.lstrip(b"\0")
        if not rest:
            return b"".join(pieces)
    raise InputError(name, f"has more than {MAX_STREAMS} gzip streams", "pack it again as one")
