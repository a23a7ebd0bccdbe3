"""Where an answer goes: stdout, stderr, a folder, plots; and the exit code."""

import contextlib
import pathlib
import re
import sys

from neyman.cli.answer import Answer
from neyman.cli.grid import Grid
from neyman.cli.inputs import WORKSPACES
from neyman.cli.options import Output, Source, Verb
from neyman.cli.text import printable
from neyman.io.store import write_atomic, write_directory
from neyman.io.strict_json import write_json
from neyman.parameters import unknown_name
from neyman.results import Result
from neyman.status import InputError, Severity

FORMATS = (".png", ".pdf", ".svg")
EVENTS = ("bands", "energies", "acceptance")
"""Of a model of events."""
PICTURES = {
    "check": ("coverage",),
    "fit": ("pulls", "correlation", "impacts", "yields", *EVENTS),
    "hypotest": ("cls",),
    "limit": ("limit",),
    "sample": ("corner",),
    "scan": ("scan",),
    "show": EVENTS,
    "contour": ("contour",),
}
"""What each verb can draw; the first is what `--plot FILE` means."""
NAMED = re.compile(r"([a-z]+)=(.+)")
MOST_NOTES = 10
WORDS = {Severity.FINE: "note", Severity.WARNING: "warning", Severity.FAILED: "failed"}

Plots = list[tuple[str, str]]
"""(picture, path)"""


def deliver(verb: Verb) -> int:
    """Compute, save, draw, print; the exit code.

    What can be refused is refused before anything is computed, and a result that could not be
    saved is printed all the same. What the user's own code prints goes to stderr.
    """
    output = verb.output
    plots = wanted(verb, output.plot or [])
    done: Answer | None = None
    try:
        with contextlib.redirect_stdout(sys.stderr), contextlib.ExitStack() as stack:
            folder = stack.enter_context(write_directory(output.out)) if output.out else None
            done = verb.compute()
            draw(done, plots)
            if folder is not None:
                save(done, folder)
    finally:
        if done is not None:
            report(done, output)
    return exit_code(done.result)


def wanted(verb: Verb, arguments: list[str]) -> Plots:
    """The pictures of --plot FILE and --plot NAME=FILE; refuse what cannot be drawn or written."""
    known = PICTURES.get(verb.name, ())
    plots: Plots = []
    for argument in arguments:
        named = NAMED.fullmatch(argument)
        place = f"--plot {argument}"
        if not known:
            raise InputError(place, f"{verb.name} has no plot", "leave it out")
        name, path = (named[1], named[2]) if named else (known[0], argument)
        if name not in known:
            raise unknown_name(name, known, "plot")
        workspace = isinstance(verb.source, Source) and verb.source.file.endswith(WORKSPACES)
        if name in EVENTS and workspace:
            raise InputError(place, f"{name} are of single events", "give a .toml model")
        if verb.options.get(name) is False:
            raise InputError(place, "is not computed", f"add --{name}")
        if not path.lower().endswith(FORMATS):
            raise InputError(place, "is of no known format", "use .png, .pdf or .svg")
        if not pathlib.Path(path).absolute().parent.is_dir():
            raise InputError(place, "its folder does not exist", "create it first")
        plots.append((name, path))
    return plots


def draw(done: Answer, plots: Plots) -> None:
    for name, path in plots:
        if name not in done.pictures:
            raise InputError(f"--plot {name}={path}", "was not computed", "see why it failed")
        done.pictures[name].draw(path)


def save(done: Answer, folder: pathlib.Path) -> None:
    """Fill the folder of --out."""
    for name, result in {"result": done.result, **done.extras}.items():
        result.save(folder / f"{name}.json")
    write_atomic(folder / "summary.txt", f"{printable(done.summary())}\n".encode())
    write_json(folder / "provenance.json", done.result.provenance)
    for name, picture in done.pictures.items():
        try:
            picture.draw(folder / f"{name}.png")
        except InputError as error:  # no reason to lose the numbers
            print(printable(f"warning: {name}.png is not drawn: {error}"), file=sys.stderr)
    if done.fill is not None:
        try:
            done.fill(folder)
        except InputError as error:
            print(printable(f"warning: the folder lacks a part: {error}"), file=sys.stderr)


def report(done: Answer, output: Output) -> None:
    """The result to stdout, its notes to stderr, the worst first."""
    print(done.to_json() if output.json else printable(done.summary()), flush=True)
    notes = sorted(done.result.notes, key=lambda note: -note.status)
    for note in notes[:MOST_NOTES]:
        line = " ".join(str(note).split())
        print(printable(f"{WORDS[note.status.severity]}: {line}"), file=sys.stderr)
    if len(notes) > MOST_NOTES:
        print(f"and {len(notes) - MOST_NOTES} more; --json has all", file=sys.stderr)


def exit_code(result: Result) -> int:
    """0 fine or doubtful, 1 failed, 2 bad input in a part of a grid."""
    if isinstance(result, Grid):
        return result.exit_code
    return 1 if result.status.failed else 0
