"""A model card as HTML, without its title."""

import functools
import math

import numpy as np

from neyman.likelihoods.surrogate.metadata import Constraint
from neyman.parameters import LogUniform, Normal, Parameter
from neyman.report.card import Card, numbered
from neyman.report.page import (
    Html,
    details,
    element,
    figure,
    joined,
    number,
    paragraph,
    section,
    table,
    tree,
)
from neyman.report.script import script
from neyman.report.validation import (
    HpdiErrors,
    LimitErrors,
    LimitValues,
    Marginals,
    ProfileErrors,
    Training,
    Validation,
    numbers,
)

BANDS = ("observed", "-2 sigma", "-1 sigma", "median", "+1 sigma", "+2 sigma")
FEW = 30
"""Parameters that are listed without a click."""


def card_sections(card: Card, level: int = 2) -> Html:
    """What it is, how to evaluate it, its errors, its domain, its making."""
    put = functools.partial(section, level=level)
    shown = {name: figure(*picture) for name, picture in card.pictures.items()}
    made = {
        "file": {"name": card.name, "bytes": card.size, "sha256": card.like.digest},
        "made from": dict(card.like.card.digests),
        **(card.provenance or {}),
    }
    parts = [
        *_lead(card),
        put("Evaluate it", *_evaluate(card)),
        put("How far it is from its source", *_errors(card, shown)),
        put("Where it holds", paragraph(_domain(card))),
        put("Parameters", *_parameters(card)),
    ]
    if card.training:
        tables = [_of_training(head, one) for head, one in card.training.items()]
        parts.append(put("Training", shown["training"], *tables))
    return joined([*parts, put("Provenance", tree(made))])


def _lead(card: Card) -> list[Html]:
    p = card.like.parameters
    poi = f"; the parameter of interest is {card.like.poi}" if card.like.poi else ""
    what = (
        f"log L as a function of {len(p)} parameters, {int(np.sum(~p.fixed))} of them free{poi}."
        f" One ONNX file of {max(card.size / 1e6, 0.001):.2g} MB."
    )
    said = {k: v for k, v in card.like.card.about.items() if v and k != "title"}
    return [paragraph(what), *([tree(said)] if said else [])]


def _evaluate(card: Card) -> list[Html]:
    graph = card.like.graph
    if not card.self_contained:
        said = f"{card.name} does not name its parameters; the .json file beside it does:"
        code = f"import neyman\nlike = neyman.load({card.name!a})"
        return [paragraph(said), element("pre", code)]
    said = (
        f"The input is theta, (N, {graph.width}), in the order and units of the parameters below;"
        f" the outputs are {', '.join(graph.outputs)}, each (N,). With onnxruntime alone:"
    )
    return [paragraph(said), element("pre", script(card.name, card.like.poi))]


def _errors(card: Card, shown: dict[str, Html]) -> list[Html]:
    v, stated = card.measured, card.like.card.errors
    parts: list[Html] = []
    for i, (poi, profile) in enumerate(v.profile.items()):
        parts += [paragraph(_of_profile(poi, profile)), shown[numbered("profile", i)]]
    parts += [_of_limits(poi, limits) for poi, limits in v.limits.items()]
    for i, (poi, hpdi) in enumerate(v.hpdi.items()):
        parts += [_of_hpdi(poi, hpdi), shown[numbered("hpdi", i)]]
    if v.within_sigma:
        parts += [_within(v), shown["residuals"]]
    if v.weights is not None:
        n, part = v.weights.draws or 0, number(v.weights.effective_fraction)
        said = f"Of {n:,} draws of the surrogate, weighted to the exact posterior, the fraction"
        parts.append(paragraph(f"{said} {part} is effective (1 for an exact surrogate)."))
    if v.marginals is not None:
        parts += [paragraph(said) for said in _of_marginals(v.marginals)]
    if stated and parts:
        parts.append(details("The errors that the file itself states", tree(dict(stated))))
    elif stated:
        parts += [paragraph("The file states:"), tree(dict(stated))]
    return parts or [paragraph("Not measured, or the file does not say.")]


def _of_profile(poi: str, p: ProfileErrors) -> str:
    t = [value for value in p.exact if value is not None]
    return (
        f"t = -2 log L profiled along {poi}, less its minimum, at {len(t)} values up to t ="
        f" {number(max(t, default=None))}: mean |error| {number(p.mean_error)}, largest"
        f" {number(p.max_error)}."
    )


def _of_limits(poi: str, limits: LimitErrors) -> Html:
    exact, ours = limits.exact.values, limits.surrogate.values
    off = [b / a - 1.0 if a and b is not None else None for a, b in zip(exact, ours)]
    rows = [
        (f"exact{_failed(limits.exact)}", *map(number, exact)),
        (f"surrogate{_failed(limits.surrogate)}", *map(number, ours)),
        ("difference", *("–" if x is None else f"{100 * x:+.2g} %" for x in off)),
    ]
    how = f" ({limits.method})" if limits.method else ""
    said = f"{100 * limits.level:g} % upper limits on {poi}{how}:"
    return joined([paragraph(said), table(("", *BANDS[: len(exact)]), rows)])


def _failed(values: LimitValues) -> str:
    return " (failed)" if values.failed else ""


def _of_hpdi(poi: str, h: HpdiErrors) -> Html:
    rows = [
        (f"{100 * level:.4g} %", interval(*a), interval(*b), number(off), number(in_sd))
        for level, a, b, off, in_sd in zip(h.levels, h.exact, h.surrogate, h.largest_error, h.in_sd)
    ]
    head = (f"highest density of {poi}", "exact", "surrogate", "ends within", "in its sd")
    return table(head, rows)


def _within(v: Validation) -> Html:
    rows = [
        (f"{key} sigma", f"{w.points:,}", number(w.mean), number(w.max))
        for key, w in v.within_sigma.items()
    ]
    return table(("within", "points", "mean |error of 2 log L|", "largest"), rows)


def _of_marginals(m: Marginals) -> list[str]:
    if m.smallest is None:
        return []
    least = m.smallest
    return [
        f"Two-sample tests of {len(m.p)} marginals, of {number(m.effective_draws)} effective draws:"
        f" the smallest p-value is {number(least.p)}, of {least.parameter}; among so many, one as"
        f" small has the probability {number(least.of_all)}."
    ]


def _of_training(head: str, one: Training) -> Html:
    rows = [
        (
            c.name,
            number(c.error_on_t),
            number(c.mean_square),
            "chosen" if c.name == one.chosen else "",
        )
        for c in one.candidates
    ]
    return table((f"networks for {head}", "mean |error of t|", "mean square error", ""), rows)


def _domain(card: Card) -> str:
    domain = card.like.card.domain
    boxed = np.any(np.isfinite(domain.lower) | np.isfinite(domain.upper))
    if not boxed and domain.radius is None:
        return "The file does not say."
    where = ["in the ranges of the table of parameters"] if boxed else []
    if domain.radius is not None:
        where.append(f"at most {number(domain.radius)} from the centre (the output distance)")
    return (
        f"It holds {' and '.join(where)}. Outside, the function goes on somehow and means nothing;"
        " neyman answers there with the status outside_domain."
    )


def _parameters(card: Card) -> list[Html]:
    known, domain = card.like.card.constraints, card.like.card.domain
    rows = []
    for i, p in enumerate(card.like.parameters):
        listed = [c for c in known or () if c.parameter == p.name]
        holds = interval(float(domain.lower[i]), float(domain.upper[i]))
        row = (p.name, p.unit, number(p.init), interval(*p.bounds), holds, _of_term(p, listed))
        rows.append(row)
    head = ("name", "unit", "initial", "bounds", "holds in", "constraint or prior")
    said = (
        "Which constraints log L contains, the file does not say."
        if known is None
        else f"Number of constraints whose terms log L contains: {len(known)}."
    )
    shown = table(head, rows)
    listed = shown if len(rows) <= FEW else details(f"All {len(rows)} parameters", shown)
    return [paragraph(said), listed]


def _of_term(p: Parameter, listed: list[Constraint]) -> str:
    if p.fixed:
        return "fixed"
    if listed:
        return "; ".join(
            f"{'poisson, rate' if c.poisson else 'normal, width'} {number(c.scale)},"
            f" measured {number(c.measured)}"
            for c in listed
        )
    match p.prior:
        case Normal(mean, sd):
            return f"prior normal, mean {number(mean)}, sd {number(sd)}"
        case LogUniform():
            return "prior log-uniform"
        case _:
            return "free"


def interval(low: float | None, high: float | None) -> str:
    """[low, high], with a dash where neither is a number."""
    ends = numbers([low, high])
    if not np.any(np.isfinite(ends)):
        return "–"
    return "[{}, {}]".format(*(number(x) if math.isfinite(x) else _open(x) for x in ends.tolist()))


def _open(end: float) -> str:
    return "–" if math.isnan(end) else f"{'-' if end < 0 else ''}∞"
