"""Training points: theta, log L(theta) and, where the source has it, its gradient.

Points are drawn from a likelihood, or read from a table that another program wrote (HEPfit,
Combine): a CSV file with a column for each parameter, called by its name, and one `log_prob`;
or an .npz file of such arrays. These have values only.
"""

import csv
import dataclasses
import io
import pathlib
import zipfile

import numpy as np

from neyman.io.bounded import MB, read_raw
from neyman.io.chunks import decode, encode
from neyman.io.store import write_atomic
from neyman.parameters import Parameters, unknown_name
from neyman.status import InputError, Note

LABEL = b"neyman points"
VALUE = "log_prob"
MAX_BYTES = 1024 * MB
MAX_NUMBERS = 200_000_000


@dataclasses.dataclass(frozen=True, eq=False)
class Points:
    """N points of P parameters, in no order.

    Raises `InputError` where shapes do not agree or a number is not finite.
    """

    names: tuple[str, ...]
    """Of the parameters, (P,)."""
    theta: np.ndarray
    """(N, P)"""
    log_prob: np.ndarray
    """(N,)"""
    gradient: np.ndarray | None
    """d log L/d theta, (N, P); None where only values are known."""
    origin: np.ndarray
    """(N,) which of `origins` a point comes from."""
    origins: tuple[str, ...]
    """E.g. ("posterior", "profile mu", "tail")."""
    notes: tuple[Note, ...] = ()
    """What went wrong where they were made; not in the file."""

    def __post_init__(self) -> None:
        shape = (len(self.log_prob), len(self.names))
        gradient = self.theta if self.gradient is None else self.gradient
        if self.theta.shape != shape or gradient.shape != shape or len(self.origin) != shape[0]:
            problem = f"theta {self.theta.shape}, log_prob {self.log_prob.shape}, gradient"
            problem += f" {gradient.shape}, origin {self.origin.shape} do not go together"
            raise InputError("points", problem, "give one row a point")
        for name in ("theta", "log_prob", "gradient"):
            value = getattr(self, name)
            if value is not None and not np.all(np.isfinite(value)):
                row = int(np.argwhere(~np.isfinite(value))[0][0])
                raise InputError(f"points, row {row}", f"{name} is not finite", "leave it out")
        if len(self) and not (self.origin.min() >= 0 and self.origin.max() < len(self.origins)):
            raise InputError("points", "an origin has no name", "name all origins")

    def __len__(self) -> int:
        return len(self.log_prob)

    def __add__(self, other: "Points") -> "Points":
        """Both sets; gradients are kept where both have them."""
        if self.names != other.names:
            raise InputError("points", "are of other parameters", "join points of the same ones")
        origins = tuple(dict.fromkeys(self.origins + other.origins))
        place = np.array([origins.index(name) for name in other.origins], dtype=np.int64)
        gradients = (self.gradient, other.gradient)
        return Points(
            names=self.names,
            theta=np.concatenate([self.theta, other.theta]),
            log_prob=np.concatenate([self.log_prob, other.log_prob]),
            gradient=None if gradients[0] is None or gradients[1] is None
            else np.concatenate([gradients[0], gradients[1]]),
            origin=np.concatenate([self.origin, place[other.origin]]),
            origins=origins,
            notes=tuple(dict.fromkeys(self.notes + other.notes)),
        )  # fmt: skip

    def at(self, rows: np.ndarray) -> "Points":
        """The points of some rows: indices, or a mask (N,)."""
        gradient = None if self.gradient is None else self.gradient[rows]
        return dataclasses.replace(
            self,
            theta=self.theta[rows],
            log_prob=self.log_prob[rows],
            gradient=gradient,
            origin=self.origin[rows],
        )

    def save(self, path: str | pathlib.Path) -> None:
        """Write an .npz file, atomically."""
        arrays = {
            "names": np.array(self.names),
            "theta": self.theta,
            VALUE: self.log_prob,
            "origin": self.origin,
            "origins": np.array(self.origins),
        }
        if self.gradient is not None:
            arrays["gradient"] = self.gradient
        write_atomic(path, encode(arrays, LABEL))

    @classmethod
    def load(cls, path: str | pathlib.Path) -> "Points":
        """Read what `save` wrote."""
        found = decode(read_raw(path, MAX_BYTES), LABEL, str(path))
        try:
            return cls(
                names=tuple(str(name) for name in found["names"]),
                theta=found["theta"],
                log_prob=found[VALUE],
                gradient=found.get("gradient"),
                origin=found["origin"],
                origins=tuple(str(name) for name in found["origins"]),
            )
        except KeyError as error:
            raise InputError(str(path), f"holds no {error}", "make the points anew") from None


def read_points(path: str | pathlib.Path, parameters: Parameters) -> Points:
    """The points in a table of another program, .csv or .npz, values only.

    Raises:
        InputError: a column is missing, a number is not finite, the file is too large.
    """
    name = pathlib.Path(path).name
    data = read_raw(path, MAX_BYTES)
    columns = _read_npz(data, name) if name.endswith(".npz") else _read_csv(data, name)
    wanted = (*parameters.names, VALUE)
    for column in wanted:
        if column not in columns:
            raise unknown_name(column, columns, f"{name}: column")
    values = [columns[column] for column in wanted]
    if any(v.shape != values[-1].shape or v.ndim != 1 for v in values):
        raise InputError(name, "columns of different lengths", "give one row a point")
    theta = np.stack(values[:-1], axis=1) if len(parameters) else np.zeros((len(values[-1]), 0))
    origin = np.zeros(len(theta), dtype=np.int64)
    return Points(parameters.names, theta, values[-1], None, origin, (name,))


def _read_csv(data: bytes, name: str) -> dict[str, np.ndarray]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(name, "is not text in UTF-8", "give a .csv or .npz file") from None
    header, _, rest = text.partition("\n")
    names = [column.strip() for column in next(csv.reader([header]), [])]
    if len(set(names)) != len(names):
        raise InputError(f"{name}, line 1", "a column is named twice", "rename one of them")
    if len(names) * (rest.count("\n") + 1) > MAX_NUMBERS:
        raise InputError(name, f"more than {MAX_NUMBERS:,} numbers", "give fewer points")
    rows = []
    try:
        for line, row in enumerate(csv.reader(io.StringIO(rest)), start=2):
            if not row:
                continue
            if len(row) != len(names):
                problem = f"has {len(row)} columns, the header {len(names)}"
                raise InputError(f"{name}, line {line}", problem, "give a number for each column")
            rows.append(np.array(row, dtype=float))
    except InputError:
        raise
    except csv.Error as error:
        raise InputError(f"{name}, line {line + 1}", str(error), "write plain numbers") from None
    except ValueError:
        problem = "holds something else than numbers"
        raise InputError(f"{name}, line {line}", problem, "write plain numbers") from None
    table = np.array(rows).reshape(len(rows), len(names))
    return dict(zip(names, table.T))


def _read_npz(data: bytes, name: str) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
                raise InputError(name, f"unpacks to more than {MAX_BYTES:,} bytes", "check it")
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                return {key: np.asarray(arrays[key], dtype=float) for key in arrays.files}
    except InputError:
        raise
    # what NumPy and zipfile let through for a damaged file
    except (zipfile.BadZipFile, ValueError, TypeError, KeyError, OSError, EOFError,
            SyntaxError, RuntimeError, MemoryError, NotImplementedError) as error:  # fmt: skip
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise InputError(name, f"is no .npz of numbers ({reason})", "write it anew") from None
