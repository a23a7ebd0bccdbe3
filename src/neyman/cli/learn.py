"""`neyman learn`: a job file becomes an ONNX file; `neyman check --against`: it and its source."""

import dataclasses
import pathlib
import typing
from typing import Any, ClassVar

import msgspec

from neyman._jax import jax, jnp
from neyman.cli.answer import Answer, answer
from neyman.cli.inputs import check_file, read
from neyman.cli.options import Source
from neyman.inference.asymptotics import parameter_of_interest
from neyman.inference.provenance import provenance_of
from neyman.io.bounded import read_raw
from neyman.io.provenance import digest
from neyman.jobs.claims import claim_notes
from neyman.jobs.job_file import read_job
from neyman.jobs.surrogate import learn_surrogate, learn_table
from neyman.jobs.validate import validate
from neyman.likelihoods.surrogate.likelihood import OnnxLikelihood
from neyman.results import Result
from neyman.status import InputError


def learn_from(source: Source, to: str, resume: str | None) -> Answer:
    """Run a job and write its file."""
    check_file(source.file)
    if not source.file.endswith(".toml"):
        raise InputError(source.file, "is no job", "give a .toml file (docs/surrogate-training.md)")
    if not to.endswith(".onnx"):
        raise InputError(f"-o {to}", "is no name for an ONNX file", "let it end in .onnx")
    if not pathlib.Path(to).absolute().parent.is_dir():
        raise InputError(f"-o {to}", "its folder does not exist", "create it first")
    given = (source.measurement, source.patch, source.patchset, source.patch_name, source.data)
    if any(given):
        raise InputError(source.file, "names its source itself", "leave those options out")
    job = read_job(source.file)
    if source.seed is not None:
        job = msgspec.structs.replace(job, seed=source.seed)
    digests = {source.file: digest(read_raw(source.file))}
    if job.source is None:
        made = learn_table(job, file=to, folder=resume)
    else:
        meant = dataclasses.replace(
            source, file=job.source, measurement=job.measurement, patch=job.patches or None,
            data=job.data,
        )  # fmt: skip
        read_source = read(meant)
        digests |= read_source.digests
        made = learn_surrogate(read_source.like, job, file=to, folder=resume)
    made.surrogate.write(to)
    done = answer(made.result, source, digests)
    return carded(done, to, made.result.validation, made.result.history)


def carded(
    done: Answer, onnx: str, validation: dict[str, Any], history: dict[str, Any] | None = None
) -> Answer:
    """The answer whose folder gets the card of a surrogate."""

    def fill(folder: pathlib.Path) -> None:
        from neyman.report import surrogate_card

        made = done.result.provenance
        surrogate_card.write(
            folder / surrogate_card.FOLDER, onnx, validation, history, provenance=made
        )

    return dataclasses.replace(done, fill=fill)


@typing.final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison(Result):
    """A surrogate against its source."""

    kind: ClassVar[str] = "comparison"
    validation: dict[str, Any]

    def fields_of_interest(self) -> dict[str, Any]:
        return self.validation

    def summary(self) -> str:
        lines = []
        for poi, found in self.validation["profile"].items():
            lines.append(
                f"t_{poi} up to 9: off by {found['mean_error']:.3g} on average,"
                f" {found['max_error']:.3g} at most"
            )
        for poi, found in self.validation["limits"].items():
            error = found["observed_error"]
            off = "not compared" if error is None else f"off by {error:.2%}"
            lines.append(f"limit on {poi}: {off}")
        part = self.validation["weights"]["effective_fraction"]
        lines.append(f"effective part of its draws under the source: {part:.3f}")
        return "\n".join(lines)


def compare(
    source: Source, against: str, poi: str | None, level: float, resume: str | None
) -> Answer:
    """The surrogate of `source` against the likelihood of the file `against`."""
    given = read(dataclasses.replace(source, data=None))
    like = given.like
    if not isinstance(like, OnnxLikelihood):
        raise InputError(source.file, "is no surrogate", "give an .onnx file")
    theirs = read(dataclasses.replace(source, file=against))
    if theirs.like.parameters.names != like.parameters.names:
        problem = "has other parameters than the surrogate"
        raise InputError(against, problem, "give the file that it was learned from")
    name = parameter_of_interest(like, poi)
    exact = jax.tree.map(jnp.asarray, theirs.like)
    found = validate(exact, like, [name], key=source.seed or 0, level=level, folder=resume)
    result = Comparison(
        validation=found.numbers,
        notes=(*found.notes, *claim_notes(like.card.errors, found.numbers)),
        provenance=provenance_of(like, source.seed),
    )
    done = answer(result, source, given.digests | theirs.digests)
    return carded(done, source.file, found.numbers)
