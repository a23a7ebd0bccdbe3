"""`neyman learn`: points of a likelihood, a surrogate, its validation, a file.

    points -> learn -> (rounds: draw from the surrogate, ask the source there, learn again)
           -> the same for the Asimov data -> assemble -> validate -> file

With a folder everything is kept there as it is made, and a run that was killed goes on.
"""

import dataclasses
import time
import typing
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from neyman._jax import jax, jnp
from neyman.inference.asymptotics import parameter_of_interest
from neyman.inference.provenance import provenance_of
from neyman.inference.sampling.sample import sample
from neyman.inference.toy_test import Workplace
from neyman.io.provenance import digest, provenance
from neyman.jobs.asimov import background_only
from neyman.jobs.ask import Folder, inside
from neyman.jobs.job_file import Job
from neyman.jobs.training_points import Layout, evaluated, training_points
from neyman.jobs.validate import summarised, validate
from neyman.likelihoods.surrogate.assemble import Assembled, assemble
from neyman.likelihoods.surrogate.likelihood import ASIMOV, LOG_PROB
from neyman.likelihoods.surrogate.points import Points, read_points
from neyman.likelihoods.surrogate.train import Learned, history, learn
from neyman.model import Likelihood
from neyman.parameters import Parameters
from neyman.results import Result
from neyman.status import InputError, Note

ASIMOV_SHARE = 0.5
"""Points of the Asimov head, of those of the first."""


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Learning(Result):
    """A surrogate in a file, and how good it is."""

    kind: ClassVar[str] = "learning"
    file: str
    loss: dict[str, float]
    """Lowest held-out loss of each head."""
    validation: dict[str, Any]
    calibration: dict[str, Any]
    seconds: dict[str, float]
    """CPU seconds of each part."""
    history: dict[str, Any]

    def fields_of_interest(self) -> dict[str, Any]:
        keys = ("file", "loss", "validation", "calibration", "seconds")
        return {key: getattr(self, key) for key in keys}

    def summary(self) -> str:
        lines = [f"surrogate in {self.file}, {sum(self.seconds.values()):.0f} CPU s"]
        for poi, found in self.validation.get("profile", {}).items():
            lines.append(
                f"  t_{poi} up to 9: off by {found['mean_error']:.3g} on average,"
                f" {found['max_error']:.3g} at most"
            )
        for poi, found in self.validation.get("limits", {}).items():
            a, b = found["exact"]["values"][0], found["surrogate"]["values"][0]
            lines.append(f"  limit on {poi} ({found['method']}): {_g(b)}, exact {_g(a)}")
        for poi, found in self.validation.get("hpdi", {}).items():
            off = ", ".join(f"{x:.2g}" for x in found["largest_error"])
            lines.append(f"  intervals of {poi}: ends off by {off}")
        weights = self.calibration.get("weights")
        if weights:
            part = weights["effective_fraction"]
            lines.append(f"  effective part of its draws under the exact likelihood: {part:.3f}")
        return "\n".join(lines)


def _g(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


class Made(typing.NamedTuple):
    """What a job makes."""

    surrogate: Assembled
    result: Learning


def learn_surrogate(like: Likelihood, job: Job, *, file: str = "", folder: Folder = None) -> Made:
    """Learn a likelihood.

    Args:
        like: the source.
        job: what to do, see `job_file`.
        file: what the result calls the file.
        folder: where points, checkpoints and chains are kept.

    Raises:
        InputError: an unknown parameter of interest; a source that cannot be fitted; a folder
            that holds another run.
    """
    like = jax.tree.map(jnp.asarray, like)
    pois = _pois(like, job.pois)
    clock = _Clock()
    points, first = _head(like, pois, job, 0, job.points, folder, LOG_PROB, clock)
    learned = {LOG_PROB: first}
    asimov = background_only(like, pois[0]) if job.asimov and pois else None
    if asimov is not None:
        n = max(100, int(ASIMOV_SHARE * job.points))
        _, learned[ASIMOV] = _head(asimov.like, pois, job, 100, n, folder, ASIMOV, clock)
    made = assemble(
        learned, points, like.parameters, like=like, asimov=asimov,
        poi=pois[0] if pois else None, about=job.about, precision=job.precision,
    )  # fmt: skip
    found = validate(
        like, made.likelihood, pois, key=_seed(job, 200), level=job.level, budget=job.budget,
        folder=inside(folder, "validation"),
    )  # fmt: skip
    clock.note("validation")
    return _result(
        made.with_errors(summarised(found.numbers)),
        learned,
        found.numbers,
        clock,
        file,
        provenance_of(like, job.seed),
        found.notes,
    )


def learn_table(job: Job, *, file: str = "", folder: Folder = None) -> Made:
    """Learn log L from the table of another program, values only: without a source there is no
    validation but the error on held-out points.

    Raises:
        InputError: the table cannot be read, or has too few points.
    """
    parameters = job.declared()
    assert job.table is not None
    points = read_points(job.table, parameters)
    clock = _Clock()
    one = learn(
        None, points, parameters, key=jax.random.key(job.seed), settings=job.settings,
        folder=inside(folder, "training"),
    )  # fmt: skip
    clock.note("training")
    pois = _known(parameters, job.pois or [])
    made = assemble(
        {LOG_PROB: one}, points, parameters,
        poi=pois[0] if pois else None, about=job.about, precision=job.precision,
    )  # fmt: skip
    chosen = next(c for c in one.candidates if c.name == one.chosen)
    found = {"held_out_rms": float(np.sqrt(chosen.mean_square))}
    record = provenance({"points": digest(points.theta.tobytes())}, job.seed)
    return _result(made.with_errors(found), {LOG_PROB: one}, found, clock, file, record)


def _head(
    like: Likelihood,
    pois: Sequence[str],
    job: Job,
    stream: int,
    n: int,
    folder: Folder,
    name: str,
    clock: "_Clock",
) -> tuple[Points, Learned]:
    """Points of one likelihood, and what is learned of it."""
    where = inside(folder, name)
    chains = not like.dear if job.chains is None else job.chains
    points = training_points(
        like, pois, n=n, key=_seed(job, stream), chains=chains,
        folder=inside(where, "points"),
    )  # fmt: skip
    clock.note("points")
    for i in range(job.rounds + 1):
        learned = learn(
            like, points, like.parameters, key=jax.random.key(_seed(job, stream + 1)),
            settings=job.settings, folder=inside(where, f"training-{i}"),
        )  # fmt: skip
        clock.note("training")
        if i < job.rounds:
            share = max(100, n // (2 * job.rounds))
            seed = _seed(job, stream + 2 + i)
            points = points + _more(like, learned, points, share, seed, inside(where, f"round-{i}"))
            clock.note("points")
    return points, dataclasses.replace(learned, notes=points.notes + learned.notes)


def _more(
    like: Likelihood, learned: Learned, points: Points, n: int, key: int, folder: Folder
) -> Points:
    """Draws from the posterior of a surrogate, with what the source says of them."""
    made = assemble({LOG_PROB: learned}, points, like.parameters, like=like).likelihood
    chains = 8
    found = sample(
        jax.tree.map(jnp.asarray, made), key=key, sampler="nuts", chains=chains,
        draws=max(4, -(-n // chains)),
        workplace=Workplace(folder=inside(folder, "chains")),
    )  # fmt: skip
    theta = np.tile(like.parameters.init, (found.draws[..., 0].size, 1))
    theta[:, ~like.parameters.fixed] = np.swapaxes(found.draws, 0, 1).reshape(len(theta), -1)
    return evaluated(like, Layout.of({"surrogate": theta[:n]}), folder)


def _pois(like: Likelihood, wanted: list[str] | None) -> list[str]:
    """The parameters of interest: those asked for, or the source's own."""
    if wanted is None:
        return [] if like.poi is None else [parameter_of_interest(like, None)]
    return [parameter_of_interest(like, name) for name in _known(like.parameters, wanted)]


def _known(parameters: Parameters, names: Sequence[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise InputError("pois", "one is named twice", "name each once")
    for name in names:
        parameters.index(name)
    return list(names)


def _result(
    made: Assembled,
    learned: dict[str, Learned],
    validation: dict[str, Any],
    clock: "_Clock",
    file: str,
    record: dict[str, Any],
    others: Sequence[Note] = (),
) -> Made:
    notes = [*(note for one in learned.values() for note in one.notes), *others]
    calibration = {key: validation[key] for key in ("weights", "marginals") if key in validation}
    return Made(
        made,
        Learning(
            file=file,
            loss={name: float(np.nanmin(one.held_out)) for name, one in learned.items()},
            validation=validation,
            calibration=calibration,
            seconds=clock.seconds,
            history=history(learned),
            notes=tuple(dict.fromkeys(notes)),
            provenance=record,
        ),
    )


def _seed(job: Job, stream: int) -> int:
    """A seed for each use, from the job's."""
    return int(np.random.SeedSequence([job.seed, stream]).generate_state(1)[0]) % 2**31


class _Clock:
    """CPU seconds by what they were spent on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.process_time()

    def note(self, name: str) -> None:
        now = time.process_time()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self.last
        self.last = now
