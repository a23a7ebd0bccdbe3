"""Members of `.tar`, `.tar.gz` and `.gz` files, as bytes in memory; nothing is extracted.

An archive from the web may name `../../.bashrc`, link to `/etc/passwd`, be a device, or say
that it holds a sparse file of a terabyte. Only plain files under relative paths are read;
anything else in the archive refuses all of it. Names are labels here, never paths.
"""

import difflib
import io
import pathlib
import tarfile

from neyman.io.bounded import GZIP_MAGIC, MB, Pathlike, gunzip, read_raw
from neyman.status import InputError

MAX_ARCHIVE = 512 * MB
MAX_MEMBERS = 10_000
_TAR_MAGIC = slice(257, 262)  # "ustar", in POSIX and in GNU headers


def members(path: Pathlike) -> tuple[str, ...]:
    """The names of the files in an archive, in its order."""
    return tuple(read_archive(path))


def read_member(path: Pathlike, member: str) -> bytes:
    """One file of an archive. For many files use `read_archive`, which unpacks once."""
    files = read_archive(path)
    if member not in files:
        near = difflib.get_close_matches(member, files, 3) or list(files)[:3]
        problem = f"has no member {member!r} among its {len(files)}"
        raise InputError(str(path), problem, f"choose e.g. {', '.join(near)}")
    return files[member]


def read_archive(path: Pathlike) -> dict[str, bytes]:
    """Every file of an archive by name. A `.gz` that is no tar has one, named without `.gz`."""
    name = str(path)
    data = read_raw(path, MAX_ARCHIVE)
    packed = data.startswith(GZIP_MAGIC)
    data = gunzip(data, name, MAX_ARCHIVE) if packed else data
    if data[_TAR_MAGIC] == b"ustar":
        return _read_tar(data, name)
    if packed:
        return {pathlib.Path(path).name.removesuffix(".gz"): data}
    raise InputError(name, "is neither a tar nor a gzip file", "pack it as .tar.gz")


def _read_tar(data: bytes, name: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    end = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for count, member in enumerate(tar):
                if count >= MAX_MEMBERS:
                    raise InputError(name, f"more than {MAX_MEMBERS:,} members", "split it")
                _check(member, name, end)
                end = member.offset_data + member.size
                if member.isdir():
                    continue
                if end > len(data):
                    raise InputError(name, "the archive ends too early", "fetch it again")
                label = member.name.removeprefix("./")
                if label in files:
                    raise InputError(name, f"two members {label!r}", "pack it again")
                files[label] = data[member.offset_data : end]
            # tarfile takes a damaged header, or none, for the end: POSIX wants a block of zeros
            if data[tar.offset : tar.offset + tarfile.BLOCKSIZE] != bytes(tarfile.BLOCKSIZE):
                raise InputError(name, "the archive is damaged or cut", "fetch it again")
    except InputError:
        raise
    # tarfile lets what int(), decode() and seek() raise through, and recurses over headers
    except (tarfile.TarError, ValueError, ArithmeticError, OSError, RecursionError) as error:
        raise InputError(name, f"damaged tar data ({error})", "fetch it again") from None
    return files


def _check(member: tarfile.TarInfo, name: str, end: int) -> None:
    """Refuse all but plain files and folders that follow what was read before."""
    place = f"{name}, member {member.name[:100]!r}"
    remedy = "pack plain files under relative paths"
    if member.issym() or member.islnk():
        raise InputError(place, "is a link", remedy)
    if member.issparse() or not (member.isfile() or member.isdir()):
        raise InputError(place, "is a device or a sparse file", remedy)
    parts = member.name.replace("\\", "/").split("/")
    if parts[0] == "" or ".." in parts or ":" in parts[0] or "\0" in member.name:
        raise InputError(place, "has a path that leads out of the archive", remedy)
    if member.size < 0 or member.offset_data < end:
        raise InputError(place, "overlaps another member", remedy)
