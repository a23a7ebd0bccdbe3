"""What the benchmarks have in common: child processes measured, rows, one table or JSON object.

Run alone this file does nothing. A benchmark runs neyman and the peer as child processes: the
peer has its own interpreter, and the CPU time and memory of a child are its own.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from typing import Any, NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure of neyman, the peer's, and what is asked for.

    `target` is the least ratio peer / neyman, or where `limit` is True the most that neyman may
    take. `ok` is None without a target, or where the target needs a peer that is absent.
    """

    case: str
    quantity: str
    neyman: float | None
    peer: float | None = None
    target: float | None = None
    limit: bool = False

    @property
    def ratio(self) -> float | None:
        return None if self.peer is None or not self.neyman else self.peer / self.neyman

    @property
    def ok(self) -> bool | None:
        if self.target is None:
            return None
        if self.limit:
            return self.neyman is not None and self.neyman <= self.target
        if self.neyman is None:
            return False
        return None if self.ratio is None else self.ratio >= self.target

    def as_dict(self) -> dict[str, Any]:
        head = {"case": self.case, "quantity": self.quantity, "neyman": self.neyman}
        return head | {
            "peer": self.peer,
            "ratio": self.ratio,
            "target": self.target,
            "ok": self.ok,
        }


class Child(NamedTuple):
    """A process that has ended; times in seconds, all its threads and children included."""

    output: str
    returncode: int
    cpu: float
    wall: float
    peak_gib: float

    def json_lines(self) -> list[dict[str, Any]]:
        """The JSON objects among the lines of its output; a child that was stopped has fewer."""
        lines = [line for line in self.output.splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines]


def run(
    command: Sequence[str | pathlib.Path],
    *,
    timeout: float = 600.0,
    env: Mapping[str, str] | None = None,
    one_thread: bool = False,
) -> Child:
    """Run `command` to its end, or stop it after `timeout` seconds.

    It runs in a scratch folder, since RooFit leaves files where it is. `one_thread` keeps the
    BLAS library to one thread. A failure is told on stderr, and shows in `returncode`.
    """
    settings = {**os.environ, **(dict.fromkeys(THREADS, "1") if one_thread else {}), **(env or {})}
    with (
        tempfile.TemporaryDirectory() as scratch,
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
    ):
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(c) for c in command], stdout=out, stderr=err, env=settings, cwd=scratch
        )
        alarm = threading.Timer(timeout, process.kill)
        alarm.start()
        _, status, usage = os.wait4(process.pid, 0)
        alarm.cancel()
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if wall >= timeout:
            tell(f"stopped after {wall:.0f} s")
        elif process.returncode:
            last = (err.read().strip().splitlines() or ["no message"])[-1]
            tell(f"exit code {process.returncode} after {wall:.0f} s: {last[:300]}")
        return Child(
            out.read(),
            process.returncode,
            usage.ru_utime + usage.ru_stime,
            wall,
            usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30,
        )


def script(name: str) -> str:
    """The command `name` that is installed beside this interpreter."""
    return shutil.which(name, path=str(pathlib.Path(sys.executable).parent)) or name


def typical(call: Callable[[], Any], *, seconds: float = 0.5, most: int = 200) -> dict[str, float]:
    """The medians of CPU and wall seconds of `call`, after one call that is not counted."""
    call()
    cpu, wall, end = [], [], time.perf_counter() + seconds
    while len(cpu) < 3 or (len(cpu) < most and time.perf_counter() < end):
        before = time.process_time(), time.perf_counter()
        call()
        after = time.process_time(), time.perf_counter()
        cpu.append(after[0] - before[0])
        wall.append(after[1] - before[1])
    return {"cpu": statistics.median(cpu), "wall": statistics.median(wall)}


def options(description: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the smallest case, within 50 s")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--peer-python", metavar="PATH", type=_executable, help="the peer's interpreter"
    )
    return parser


def _executable(path: str) -> str:
    """An absolute path, links kept: a virtual environment's interpreter is one."""
    return os.path.abspath(shutil.which(path) or path)


def tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def report(name: str, rows: Iterable[Row], as_json: bool, versions: Sequence[str]) -> None:
    """Print one strict JSON object, or a table (Markdown) under a line about the machine."""
    rows = list(rows)
    if as_json:
        body = {"name": name, "rows": [row.as_dict() for row in rows]}
        print(json.dumps(body, allow_nan=False))
        return
    print(f"{machine(versions)}\n\n{table(rows)}")
    missed = sum(row.ok is False for row in rows)
    print(f"\n{sum(row.ok is True for row in rows)} targets met, {missed} missed")


def table(rows: Sequence[Row]) -> str:
    head = ("case", "quantity", "neyman", "peer", "ratio", "target", "")
    lines = [head, *(_cells(row) for row in rows)]
    width = [max(len(line[i]) for line in lines) for i in range(len(head))]
    lines.insert(1, tuple("-" * w for w in width))
    return "\n".join(
        "| " + " | ".join(text.ljust(w) for text, w in zip(line, width)) + " |" for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    target = "" if row.target is None else f"{'<=' if row.limit else '>='} {row.target:g}"
    verdict = {True: "ok", False: "MISSED", None: ""}[row.ok]
    figures = [_number(row.neyman), _number(row.peer), _number(row.ratio)]
    return (row.case, row.quantity, *figures, target, verdict)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def machine(packages: Sequence[str]) -> str:
    """Processor, cores, versions and date; nothing that names the machine."""
    known = []
    for package in packages:
        try:
            known.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            known.append(f"no {package}")
    versions = ", ".join([f"Python {platform.python_version()}", *known])
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_processor()}, {cores} cores; {versions}; {time.strftime('%Y-%m-%d')}"


def _processor() -> str:
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
