"""From the arguments to an exit code, with every error as one line on stderr."""

import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer

from neyman.cli.app import app
from neyman.cli.options import Verb
from neyman.cli.text import printable, shortened
from neyman.status import InputError

BAD_INPUT = 2
INTERNAL = 1
INTERRUPTED = 130
BROKEN_PIPE = 141  # 128 + SIGPIPE, what a shell reports
DEBUG = "NEYMAN_DEBUG"

UsageError: Any = typer.BadParameter.__bases__[0]
"""Where typer has this class depends on its version."""


def run(argv: Sequence[str] | None = None) -> int:
    """Parse, compute, deliver; the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names may be in any script
    try:
        code = _attempt(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
        return BROKEN_PIPE
    except OSError as error:
        return complain(f"standard output: {error.strerror or error}", BAD_INPUT)
    return code


def _attempt(arguments: list[str]) -> int:
    try:
        verb = app(arguments or ["--help"], prog_name="neyman", standalone_mode=False)
        if isinstance(verb, Verb):
            from neyman.cli.output import deliver

            return deliver(verb)
        if verb == INTERRUPTED:
            raise KeyboardInterrupt
        return int(verb or 0)
    except InputError as error:
        _trace()
        return complain(f"error: {error}", BAD_INPUT)
    except UsageError as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "neyman"
        message = shortened(getattr(error, "format_message", error.__str__)().rstrip("."))
        quote = "put quotes around the pattern, or " if "--patches" in arguments else ""
        return complain(f"error: {message}; {quote}see {command} --help", BAD_INPUT)
    except (KeyboardInterrupt, typer.Abort):
        return complain("interrupted", INTERRUPTED)
    except BrokenPipeError:
        raise
    except OSError as error:
        place = error.filename or "output"
        return complain(f"error: {place}: {error.strerror or error}", BAD_INPUT)
    except Exception as error:
        _trace()
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        return complain(f"internal error: {what}; {DEBUG}=1 shows where, please report", INTERNAL)


def _trace() -> None:
    if os.environ.get(DEBUG):
        traceback.print_exc()


def complain(message: str, code: int) -> int:
    """One line on stderr; returns `code`."""
    print(printable(" ".join(message.split())), file=sys.stderr)
    return code


def _silence_stdout() -> None:
    """Who reads stdout has left: what is still buffered goes nowhere, without a message."""
    try:
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, sys.stdout.fileno())
        os.close(descriptor)
    except (OSError, ValueError):  # a stdout that is no file
        pass
