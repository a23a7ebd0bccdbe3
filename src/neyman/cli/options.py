"""The options that verbs share, and how a verb is declared.

`Source` says what a verb acts on, `Output` where its result goes. `declare` joins their fields
to a verb's own options, so that a verb's signature holds only what is its own.
"""

import dataclasses
import enum
import functools
import importlib
import inspect
import types
from typing import Annotated, Any

import typer

Texts = list[str] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """What a verb acts on."""

    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A HistFactory workspace (.json, .json.gz), the model of a xenon detector"
            " (.toml), a surrogate (.onnx), or your own code (module.py:name).",
            show_default=False,
        ),
    ]
    measurement: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which measurement; the first by default.")
    ] = None
    patch: Annotated[
        Texts, typer.Option(metavar="FILE", help="JSON patch to apply first; repeatable.")
    ] = None
    patchset: Annotated[
        str | None, typer.Option(metavar="FILE", help="pyhf patch set; with --patch-name.")
    ] = None
    patch_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which patch of the patch set.")
    ] = None
    data: Annotated[
        str | None, typer.Option(metavar="FILE", help="Events (.csv, .h5, .root) of a .toml model.")
    ] = None
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Run the code that FILE names.")
    ] = False
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of random numbers.")] = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Folders:
    """What a report is of."""

    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="DIR",
            help="Folders that --out made, or the card of a surrogate; an .onnx file.",
            show_default=False,
        ),
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Output:
    """Where a result goes."""

    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False
    out: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Folder for result, summary, plots, provenance."),
    ] = None
    plot: Annotated[
        Texts,
        typer.Option(
            metavar="FILE",
            help="Plot as .png, .pdf or .svg; repeatable.",
        ),
    ] = None


Group = type[Source] | type[Folders] | type[Output]


class Null(enum.StrEnum):
    """How the distribution of the test statistic is found."""

    AUTO = "auto"
    ASYMPTOTIC = "asymptotic"
    TOYS = "toys"


class Method(enum.StrEnum):
    """What a test statistic is compared with in intervals and contours."""

    PROFILE = "profile"
    FELDMAN_COUSINS = "feldman-cousins"


class Form(enum.StrEnum):
    """How data sets are written."""

    NPZ = "npz"
    JSON = "json"
    WORKSPACE = "workspace"
    EVENTS = "events"


class Sampler(enum.StrEnum):
    """How draws from a posterior are made."""

    AUTO = "auto"
    NUTS = "nuts"
    NESTED = "nested"
    ENSEMBLE = "ensemble"
    IMPORTANCE = "importance"


class Covering(enum.StrEnum):
    """The intervals whose coverage can be checked."""

    PROFILE = "profile"
    LIMIT = "limit"
    LIMIT_TOYS = "limit-toys"
    FELDMAN_COUSINS = "feldman-cousins"


Poi = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Parameter of interest; the measurement's by default."),
]
NullOption = Annotated[Null, typer.Option("--null", help="Distribution of the test statistic.")]
ToysOption = Annotated[
    int, typer.Option("--toys", metavar="N", help="Toys of each hypothesis, with --null toys.")
]
MethodOption = Annotated[
    Method, typer.Option("--method", help="Quantile of chi2, or of toys at tested values.")
]
TestedOption = Annotated[
    int,
    typer.Option("--toys", metavar="N", help="Toys at a tested value, for feldman-cousins."),
]
PrecisionOption = Annotated[
    float,
    typer.Option("--precision", metavar="P", help="Toys are enough at this relative error."),
]
WorkersOption = Annotated[
    int, typer.Option("--workers", metavar="N", help="Processes that share the work.")
]
DaskOption = Annotated[
    str | None,
    typer.Option("--dask", metavar="ADDR", help="A Dask scheduler, whose workers share it."),
]
AtOption = Annotated[
    Texts, typer.Option("--at", metavar="NAME=V[,V..]", help="The truth, or truths; repeatable.")
]
KeptOption = Annotated[
    str | None,
    typer.Option("--resume", metavar="FOLDER", help="Keep toys there, and go on from them."),
]
ChainsKeptOption = Annotated[
    str | None,
    typer.Option("--resume", metavar="FOLDER", help="Keep chains there, and go on from them."),
]
Level = Annotated[float, typer.Option(metavar="LEVEL", help="Confidence level.")]


@dataclasses.dataclass(frozen=True)
class Verb:
    """A parsed command: `compute` makes the result, `output` says where it goes."""

    name: str
    source: Source | Folders
    output: Output
    options: dict[str, Any]

    def compute(self) -> Any:
        """The result, by the function of the verb's name in `neyman.cli.verbs`."""
        verbs = importlib.import_module("neyman.cli.verbs")
        return getattr(verbs, self.name)(self.source, **self.options)


def declare(
    app: typer.Typer, signature: types.FunctionType, *, on: Group = Source
) -> types.FunctionType:
    """Add a verb to `app`: its own options from `signature`, then those of what it acts `on` and
    those of all verbs.

    Parsing makes a `Verb` and runs nothing.
    """
    own = list(inspect.signature(signature).parameters.values())
    file, *source = _parameters(on)
    every = [file, *own, *source, *_parameters(Output)]

    def parsed(**values: Any) -> Verb:
        take = functools.partial(_take, values)
        return Verb(signature.__name__, take(on), take(Output), values)

    vars(parsed)["__signature__"] = inspect.Signature(every)
    parsed.__annotations__ = {p.name: p.annotation for p in every}
    parsed.__doc__ = signature.__doc__
    app.command(signature.__name__)(parsed)
    return signature


def _parameters(group: Group) -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=field.type,
            default=(
                inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
            ),
        )
        for field in dataclasses.fields(group)
    ]


def _take(values: dict[str, Any], group: Group) -> Any:
    """A `group` from its fields among `values`, which lose them."""
    return group(**{field.name: values.pop(field.name) for field in dataclasses.fields(group)})
