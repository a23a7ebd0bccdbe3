"""What each verb does: read the input, call the inference, answer with a result.

The signatures that users see, with the same names and the defaults, are in `app`.
"""

from typing import Any

import numpy as np

from neyman.cli.answer import Answer, Picture, answer
from neyman.cli.evaluate import Evaluation, points_at, values_at
from neyman.cli.events import check_workspace, event_pictures, write_workspace
from neyman.cli.grid import limit_grid
from neyman.cli.inputs import assignment, number, read
from neyman.cli.options import Covering, Folders, Form, Method, Null, Sampler, Source, Texts
from neyman.cli.show import describe
from neyman.inference.asymptotics import parameter_of_interest, throws_toys
from neyman.inference.fit import fit as maximise
from neyman.inference.hypotest import hypotest as test_hypothesis
from neyman.inference.interval import interval as confidence_interval
from neyman.inference.limit import upper_limit
from neyman.inference.provenance import provenance_of
from neyman.inference.scan import scan as scan_profile
from neyman.inference.significance import significance as test_background
from neyman.inference.toy_test import Workplace
from neyman.results import Impacts, Yields
from neyman.status import InputError

MAX_POINTS = 100_000
MAX_TOYS = 100_000_000
MAX_WORKERS = 1024


def show(source: Source, *, every: bool, workspace: str | None) -> Answer:
    if workspace is not None:
        check_workspace(workspace)
    given = read(source)
    if workspace is not None:
        write_workspace(given.like, workspace)
    result = describe(given.like, every)
    return answer(result, source, given.digests, pictures=event_pictures(given.like))


def fit(
    source: Source, *, fix: Texts, covariance: bool, impacts: bool, yields: bool, poi: str | None
) -> Answer:
    held: dict[str, float] = {}
    for text in fix or ():
        name, value = assignment("--fix", text)
        if name in held:
            raise InputError(f"--fix {text}", f"{name} is fixed already", "leave one of them out")
        held[name] = number(f"--fix {name} =", value)
    if held and impacts:
        raise InputError("--impacts", "are of a fit without --fix", "leave one of the two out")
    if poi is not None and not impacts:
        raise InputError("--poi", "is what impacts are on", "add --impacts, or leave it out")
    given = read(source)
    result = maximise(given.like, fix=held)
    pictures = {"pulls": Picture(result), "correlation": Picture(result, "plot_correlation")}
    extras: dict[str, Impacts | Yields] = {}
    if impacts:
        from neyman.inference.impacts import impacts as impacts_of

        extras["impacts"] = impacts_of(given.like, poi)
    if yields:
        from neyman.inference.yields import yields as yields_of

        extras["yields"] = yields_of(given.like, result)
    pictures |= {name: Picture(extra) for name, extra in extras.items()}
    pictures |= event_pictures(given.like, result)
    return answer(
        result, source, given.digests, pictures=pictures, extras=extras, covariance=covariance
    )


def hypotest(source: Source, *, poi: str | None, value: float, **drawn: Any) -> Answer:
    number("--value", value)
    how = distribution(source, **drawn)
    given = read(source)
    result = test_hypothesis(given.like, poi, value=value, **how)
    return answer(result, source, given.digests, pictures={"cls": Picture(result)})


def limit(
    source: Source,
    *,
    poi: str | None,
    level: float,
    precision: float,
    patches: str | None,
    **drawn: Any,
) -> Answer:
    resume = drawn["resume"]
    how: dict[str, Any] = {"precision": precision, **distribution(source, **drawn)}
    if patches is not None or (source.patchset is not None and source.patch_name is None):
        if resume is not None:
            raise InputError("--resume", "keeps the toys of one limit", "leave it out for a grid")
        return limit_grid(source, patches, poi=poi, level=level, how=how)
    given = read(source)
    result = upper_limit(given.like, poi, level=level, **how)
    return answer(result, source, given.digests, pictures={"limit": Picture(result)})


def scan(
    source: Source, *, poi: str | None, start: float | None, stop: float | None, points: int
) -> Answer:
    if not 2 <= points <= MAX_POINTS:
        raise InputError(f"--points {points}", "is out of range", f"use 2 to {MAX_POINTS:,}")
    values = None
    if start is not None or stop is not None:
        if start is None or stop is None:
            raise InputError("scan", "one end of the range is missing", "give --from and --to")
        if not number("--from", start) < number("--to", stop):
            raise InputError(f"--to {stop:g}", f"is not above --from {start:g}", "exchange them")
        values = np.linspace(start, stop, points)
    given = read(source)
    result = scan_profile(given.like, poi, values=values, points=points)
    return answer(result, source, given.digests, pictures={"scan": Picture(result)})


def significance(source: Source, *, poi: str | None, **drawn: Any) -> Answer:
    how = distribution(source, **drawn)
    given = read(source)
    return answer(test_background(given.like, poi, **how), source, given.digests)


def interval(
    source: Source, *, poi: str | None, level: float, method: Method, **drawn: Any
) -> Answer:
    how = thrown(source, **drawn)
    given = read(source)
    result = confidence_interval(given.like, poi, level=level, method=method.value, **how)
    return answer(result, source, given.digests)


def contour(
    source: Source, *, poi: Texts, level: list[float] | None, method: Method, **drawn: Any
) -> Answer:
    from neyman.inference.contour import contour as trace_contour

    how = thrown(source, **drawn)
    names = poi or []
    if len(names) != 2:
        raise InputError("--poi", "names no pair of parameters", "give it twice")
    given = read(source)
    pair, levels = (names[0], names[1]), level or (0.6827, 0.95)
    result = trace_contour(given.like, pair, level=levels, method=method.value, **how)
    return answer(result, source, given.digests, pictures={"contour": Picture(result)})


def sample(
    source: Source,
    *,
    sampler: Sampler,
    draws: int | None,
    chains: int | None,
    resume: str | None,
    **where: Any,
) -> Answer:
    from neyman.inference.sampling.sample import sample as draw

    place = workplace(**where, folder=resume)
    given = read(source)
    result = draw(
        given.like,
        key=source.seed or 0,
        sampler=sampler.value,
        draws=draws,
        chains=chains,
        workplace=place,
    )
    return answer(result, source, given.digests, pictures={"corner": Picture(result)})


def evaluate(source: Source, *, at: Texts) -> Answer:
    points = points_at(at or [])
    given = read(source)
    log_prob, notes = values_at(given.like, points)
    made = provenance_of(given.like)
    result = Evaluation(points=points, log_prob=log_prob, notes=notes, provenance=made)
    return answer(result, source, given.digests)


def simulate(
    source: Source, *, n: int, at: Texts, to: str, form: Form, resume: str | None, **where: Any
) -> Answer:
    from neyman.cli.simulate import check_target, described, write
    from neyman.inference.simulate import simulate as throw

    check_target(to, form, n)
    (truth, *more) = points_at(at or [])
    if more:
        raise InputError("--at", "names several truths", "give one value each")
    place = workplace(**where, folder=resume)
    given = read(source)
    seed = source.seed or 0
    data = throw(throws_toys(given.like), at=truth, n=n, key=seed, workplace=place)
    write(source, given, data, to, form)
    return answer(described(given, n, to, truth, seed), source, given.digests)


def learn(source: Source, *, to: str, resume: str | None) -> Answer:
    from neyman.cli.learn import learn_from

    return learn_from(source, to, resume)


def check(
    source: Source,
    *,
    poi: str | None,
    at: Texts,
    level: list[float] | None,
    interval: Covering,
    toys: int,
    references: int | None,
    against: str | None,
    resume: str | None,
    **where: Any,
) -> Answer:
    if against is not None:
        from neyman.cli.learn import compare

        return compare(source, against, poi, (level or [0.95])[0], resume)
    from neyman.inference.coverage import coverage

    for option, number_of in (
        ("--toys", toys),
        ("--references", 1 if references is None else references),
    ):
        if not 1 <= number_of <= MAX_TOYS:
            raise InputError(f"{option} {number_of}", "is out of range", f"use 1 to {MAX_TOYS:,}")
    points = points_at(at or [])
    place = workplace(**where, folder=resume)
    given = read(source)
    result = coverage(
        throws_toys(given.like),
        parameter_of_interest(given.like, poi),
        at={name: [point[name] for point in points] for name in points[0]},
        level=level or (0.6827, 0.9, 0.95),
        interval=interval.value,
        toys=toys,
        references=references,
        key=source.seed or 0,
        workplace=place,
    )
    return answer(result, source, given.digests, pictures={"coverage": Picture(result)})


def report(source: Folders, *, to: str) -> Answer:
    from neyman.cli.report import write_report

    return Answer(write_report(source.paths, to), {}, {})


def workplace(workers: int, dask: str | None, folder: str | None = None) -> Workplace:
    """Where toys are thrown, or chains run, and kept."""
    if not 1 <= workers <= MAX_WORKERS:
        raise InputError(f"--workers {workers}", "is out of range", f"use 1 to {MAX_WORKERS}")
    if dask is not None and workers != 1:
        raise InputError("--dask", "brings its own workers", "leave out --workers")
    return Workplace(workers=workers if dask is None else dask, folder=folder)


def thrown(source: Source, **drawn: Any) -> dict[str, Any]:
    """How toys are thrown, as intervals and contours take it."""
    how = distribution(source, null=Null.TOYS, **drawn)
    del how["null"]
    return how


def distribution(
    source: Source, null: Null, toys: int, resume: str | None = None, **where: Any
) -> dict[str, Any]:
    """How the distribution of the test statistic is found, as the verbs of inference take it."""
    if not 1 <= toys <= MAX_TOYS:
        raise InputError(f"--toys {toys}", "is out of range", f"use 1 to {MAX_TOYS:,}")
    return {
        "null": null.value,
        "toys": toys,
        "key": source.seed or 0,
        "workplace": workplace(**where, folder=resume),
    }
