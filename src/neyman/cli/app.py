"""The verbs: a signature is the options of a verb, its docstring the help.

What a verb does is the function of the same name in `neyman.cli.verbs`, imported when it runs.
A new verb is one function here and one there.
"""

import functools
from typing import Annotated

import typer

import neyman
from neyman.cli.options import (
    AtOption,
    ChainsKeptOption,
    Covering,
    DaskOption,
    Folders,
    Form,
    KeptOption,
    Level,
    Method,
    MethodOption,
    Null,
    NullOption,
    Poi,
    PrecisionOption,
    Sampler,
    TestedOption,
    Texts,
    ToysOption,
    WorkersOption,
    declare,
)

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    subcommand_metavar="VERB FILE [OPTIONS]",
    rich_markup_mode=None,
    help="Statistical inference for rare-event searches: neyman VERB FILE [options].",
    epilog="Example: neyman limit workspace.json --plot limit.pdf",
)
verb = functools.partial(declare, app)


def _version(asked: bool) -> bool:
    if asked:
        typer.echo(f"neyman {neyman.__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@verb
def show(
    *,
    every: Annotated[bool, typer.Option("--all", help="List every parameter and channel.")] = False,
    workspace: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write templates of a .toml model as a workspace."),
    ] = None,
) -> None:
    """What is in a file: channels, parameters, digest.

    With what is legal but suspicious in it. Plots of a model of events, with the events: bands
    in S1 and S2, energies, acceptance.

    Example: neyman show workspace.json.gz --all

    Example: neyman show search.toml --data events.csv --plot bands.png --workspace binned.json
    """


@verb
def fit(
    *,
    fix: Annotated[Texts, typer.Option(metavar="NAME=V", help="Hold a parameter.")] = None,
    covariance: Annotated[bool, typer.Option("--covariance", help="And the covariance.")] = False,
    impacts: Annotated[bool, typer.Option("--impacts", help="And impacts on the poi.")] = False,
    yields: Annotated[bool, typer.Option("--yields", help="And yields before and after.")] = False,
    poi: Poi = None,
) -> None:
    """Maximum likelihood: values, errors, covariance.

    Plots: pulls, correlation, and where asked for impacts and yields; of events also bands,
    energies and acceptance; --plot pulls.pdf --plot correlation=matrix.pdf, and all in --out.

    Example: neyman fit workspace.json --fix mu=0 --json
    """


@verb
def hypotest(
    *,
    poi: Poi = None,
    value: Annotated[float, typer.Option(metavar="V", help="The hypothesis.")] = 1.0,
    null: NullOption = Null.AUTO,
    toys: ToysOption = 10_000,
    workers: WorkersOption = 1,
    dask: DaskOption = None,
    resume: KeptOption = None,
) -> None:
    """Test one hypothesis with CLs, observed and expected.

    Example: neyman hypotest workspace.json --poi mu --value 1
    """


@verb
def limit(
    *,
    poi: Poi = None,
    level: Level = 0.95,
    null: NullOption = Null.AUTO,
    toys: ToysOption = 10_000,
    precision: PrecisionOption = 0.02,
    workers: WorkersOption = 1,
    dask: DaskOption = None,
    resume: KeptOption = None,
    patches: Annotated[
        str | None,
        typer.Option(
            metavar="GLOB",
            help="A grid: one limit for each JSON patch, e.g. 'signals/*.json'.",
        ),
    ] = None,
) -> None:
    """Upper limit with CLs, observed and expected.

    With --patches, or --patchset without --patch-name, one for each signal of a grid, by
    asymptotic formulas unless --null toys asks for toys; a warning tells where events are few.

    Example: neyman limit background.json --patches 'signals/*.json' --json

    Example: neyman limit workspace.json --null toys --toys 100000 --workers 2 --resume toys
    """


@verb
def scan(
    *,
    poi: Poi = None,
    start: Annotated[float | None, typer.Option("--from", metavar="A", help="First value.")] = None,
    stop: Annotated[float | None, typer.Option("--to", metavar="B", help="Last value.")] = None,
    points: Annotated[int, typer.Option(metavar="N", help="How many values.")] = 41,
) -> None:
    """Profile likelihood along a parameter.

    By default within 3 sigma of the best fit and the bounds.

    Example: neyman scan workspace.json --poi mu --from 0 --to 3 --points 31
    """


@verb
def significance(
    *,
    poi: Poi = None,
    null: NullOption = Null.AUTO,
    toys: ToysOption = 10_000,
    workers: WorkersOption = 1,
    dask: DaskOption = None,
    resume: KeptOption = None,
) -> None:
    """Discovery test q0: p-value and significance.

    Example: neyman significance workspace.json --poi mu
    """


@verb
def interval(
    *,
    poi: Poi = None,
    level: Level = 0.6827,
    method: MethodOption = Method.PROFILE,
    toys: TestedOption = 10_000,
    workers: WorkersOption = 1,
    dask: DaskOption = None,
    resume: KeptOption = None,
) -> None:
    """Confidence interval, from the profile likelihood or from toys.

    Example: neyman interval workspace.json --poi mu --level 0.68

    Example: neyman interval workspace.json --method feldman-cousins --level 0.9 --seed 1
    """


@verb
def contour(
    *,
    poi: Annotated[
        Texts, typer.Option("--poi", metavar="NAME", help="A parameter; give two of them.")
    ] = None,
    level: Annotated[
        list[float] | None,
        typer.Option(metavar="LEVEL", help="Confidence level; repeatable. 0.6827 and 0.95."),
    ] = None,
    method: MethodOption = Method.PROFILE,
    toys: TestedOption = 2_000,
    workers: WorkersOption = 1,
    dask: DaskOption = None,
    resume: KeptOption = None,
) -> None:
    """Confidence regions of two parameters, as curves.

    Example: neyman contour workspace.json --poi mu --poi norm --plot contour.pdf
    """


@verb
def sample(
    *,
    sampler: Annotated[
        Sampler,
        typer.Option(help="Gradients, nested sampling with the evidence, walkers, or weights."),
    ] = Sampler.AUTO,
    draws: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Draws a chain, 1000; nested: live points, 500; importance: 1000."
        ),
    ] = None,
    chains: Annotated[
        int | None, typer.Option(metavar="N", help="Chains, walkers, or runs of nested sampling.")
    ] = None,
    workers: WorkersOption = 1,
    dask: DaskOption = None,
    resume: ChainsKeptOption = None,
) -> None:
    """Posterior: draws, intervals of highest density, diagnostics.

    Constraint terms act as priors; other parameters are flat between their bounds. Workers share
    groups of 4 to 16 chains, ensembles of walkers, runs of nested sampling, or weighted draws.
    auto is importance where log L is dear, as of events; else nuts, or ensemble without gradients.

    Example: neyman sample workspace.json --draws 2000 --seed 1 --plot corner.png

    Example: neyman sample workspace.json --sampler nested --json --resume chains
    """


@verb
def evaluate(
    *,
    at: Annotated[
        Texts,
        typer.Option(metavar="NAME=V[,V..]", help="A parameter's value, or values; repeatable."),
    ] = None,
) -> None:
    """log L at points.

    Parameters that are not named have their initial values.

    Example: neyman evaluate workspace.json --at mu=0,0.5,1 --at lumi=1
    """


@verb
def simulate(
    *,
    n: Annotated[int, typer.Option("-n", metavar="N", help="How many data sets.")] = 1,
    at: AtOption = None,
    to: Annotated[str, typer.Option(metavar="FILE", help="Where to write them.")] = "toys.npz",
    form: Annotated[
        Form, typer.Option("--format", help="One file, or a folder of workspaces.")
    ] = Form.NPZ,
    workers: WorkersOption = 1,
    dask: DaskOption = None,
    resume: KeptOption = None,
) -> None:
    """Toy data sets, main and auxiliary.

    As arrays (npz), as JSON, or each as a workspace that every verb reads again.

    Example: neyman simulate workspace.json -n 1000 --at mu=1 --to toys.npz --seed 1

    Example: neyman simulate workspace.json -n 10 --format workspace --to toys
    """


@verb
def learn(
    *,
    to: Annotated[
        str, typer.Option("-o", "--to", metavar="FILE", help="The surrogate's file.")
    ] = "surrogate.onnx",
    resume: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Keep points, training and chains there; go on."),
    ] = None,
) -> None:
    """Train a surrogate of any likelihood, and write it as one ONNX file.

    FILE is a job (.toml) that names the source; the file carries what was measured of its errors.

    Example: neyman learn surrogate.toml -o search.onnx --resume work
    """


@verb
def check(
    *,
    poi: Poi = None,
    at: AtOption = None,
    level: Annotated[
        list[float] | None,
        typer.Option(metavar="LEVEL", help="Confidence level; repeatable. 0.6827, 0.9, 0.95."),
    ] = None,
    interval: Annotated[Covering, typer.Option(help="Which interval.")] = Covering.PROFILE,
    toys: Annotated[int, typer.Option(metavar="N", help="Toys at each truth.")] = 4_000,
    references: Annotated[
        int | None,
        typer.Option(metavar="N", help="Toys behind each interval that is made of toys."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The source of a surrogate FILE, to compare it with."),
    ] = None,
    workers: WorkersOption = 1,
    dask: DaskOption = None,
    resume: KeptOption = None,
) -> None:
    """Coverage of an interval, with the power of the check.

    Toys are thrown at each truth, and it is counted how often the interval covers it. The ranks
    are those of the truth in the profile likelihood: flat where asymptotic formulas hold.

    Example: neyman check workspace.json --poi mu --at mu=0.5,1,2 --level 0.95 --toys 4000

    With --against, how far a surrogate departs from its source: profile, limits, intervals,
    draws.

    Example: neyman check workspace.json --interval limit --at mu=1 --workers 2 --seed 1

    Example: neyman check search.onnx --against workspace.json
    """


@functools.partial(verb, on=Folders)
def report(
    *,
    to: Annotated[
        str, typer.Option("-o", "--to", metavar="FILE", help="The page to write.")
    ] = "report.html",
) -> None:
    """One self-contained HTML page of results and surrogates.

    With the status, the numbers, the plots and the provenance of each; it loads nothing from
    elsewhere and runs no script.

    Example: neyman report results/limit results/fit -o report.html

    Example: neyman report search.onnx
    """
