"""Files that are whole or absent: written beside, flushed to the disk, then renamed.

POSIX `rename` replaces a name at once, so a reader, a kill or a power cut finds the old
file or the new one and nothing between. The folder is flushed too, for the new name lives in
it. A kill may leave a hidden `.NAME.*.tmp` behind; it is never read.
"""

import contextlib
import errno
import os
import pathlib
import secrets
import shutil
from collections.abc import Generator

from neyman.io.bounded import Pathlike
from neyman.status import InputError

OURS = ("provenance.json", "result.json")
FULL = (errno.ENOSPC, errno.EDQUOT)


def write_atomic(path: Pathlike, data: bytes) -> None:
    """Replace the file at `path` by `data`; on any failure the old file stays as it was."""
    target = _target(path)
    temporary = _beside(target)
    try:
        with _failures_named(path, len(data)):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            try:
                _write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, target)
            _sync(target.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def made_folder(folder: Pathlike) -> pathlib.Path:
    """The folder, created where it is absent."""
    path = pathlib.Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # a name with NUL is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise InputError(str(folder), f"cannot be a folder ({reason})", "name another") from None
    return path


@contextlib.contextmanager
def write_directory(path: Pathlike) -> Generator[pathlib.Path, None, None]:
    """A folder to fill, which becomes `path` when the block ends well and vanishes if not.

    An earlier result at `path` is replaced; another folder that has something in it is not.
    """
    target = _target(path)
    new, old = _beside(target), _beside(target)
    try:
        with _failures_named(path):
            _check_replaceable(target, path)
            new.mkdir()
        try:
            yield new
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise _cannot_write(path, error) from error
        with _failures_named(path):
            _sync_tree(new)
            _check_replaceable(target, path)
            _swap(new, target, old)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _write_all(descriptor: int, data: bytes) -> None:
    """`os.write` may take less than it is given."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _swap(new: pathlib.Path, target: pathlib.Path, old: pathlib.Path) -> None:
    """Old away, new in; if that fails, old back."""
    if target.exists():
        os.rename(target, old)
    try:
        os.rename(new, target)
    except OSError:
        if old.exists():
            os.rename(old, target)
        raise
    _sync(target.parent)


def _check_replaceable(target: pathlib.Path, path: Pathlike) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(str(path), "is a file", "name a folder to write to")
    names = os.listdir(target)
    if names and not any(name in OURS for name in names):
        problem = "is a folder that holds something else than an earlier result"
        raise InputError(str(path), problem, "name a new folder, or empty this one")


def _target(path: Pathlike) -> pathlib.Path:
    """The file meant, through links, so that a link is not replaced by a file."""
    try:
        target = pathlib.Path(os.path.realpath(path))
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise InputError(str(path), f"cannot be written ({error})", "check the path") from None
    if os.path.islink(target):
        raise InputError(str(path), "is a link that leads to itself", "remove it")
    if not os.path.isdir(target.parent):
        raise InputError(str(path), "its folder does not exist", "create the folder first")
    return target


def _beside(target: pathlib.Path) -> pathlib.Path:
    """A free hidden name in the same folder, so on the same file system."""
    return target.with_name(f".{target.name[:50]}.{secrets.token_hex(8)}.tmp")


def _sync_tree(root: pathlib.Path) -> None:
    for folder, _, names in os.walk(root):
        for name in names:
            _sync(pathlib.Path(folder, name))
        _sync(pathlib.Path(folder))


def _sync(path: pathlib.Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _failures_named(path: Pathlike, size: int | None = None) -> Generator[None, None, None]:
    """What the system says becomes an `InputError` with the path and the bytes needed."""
    try:
        yield
    except OSError as error:
        raise _cannot_write(path, error, size) from error


def _cannot_write(path: Pathlike, error: OSError, size: int | None = None) -> InputError:
    needs = f", {size:,} bytes are needed" if size is not None else ""
    full = error.errno in FULL
    remedy = "free some space or write elsewhere" if full else "check the path, or write elsewhere"
    return InputError(str(path), f"cannot be written ({error.strerror or error}{needs})", remedy)
