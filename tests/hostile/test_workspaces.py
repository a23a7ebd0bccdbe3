"""Degenerate and hostile workspaces: each gives the place and the remedy, none is silent.

The first 28 are the list of the reliability claims; pyhf 0.7.6 is opaque on 10 of 26 of them
and silent on 4. Bad input is an `InputError` (exit code 2). What is legal but suspicious, or
shows only in a fit, is a note whose severity sets the exit code: 0 for a warning, 1 for a
failure.

Adding one: a line in `CASES`.
"""

import copy
import dataclasses
import json
import math
import pathlib
import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import neyman as ny
from neyman.cli import main

BASE = {
    "channels": [
        {
            "name": "SR",
            "samples": [
                {
                    "name": "signal",
                    "data": [6.0, 3.0],
                    "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
                },
                {
                    "name": "background",
                    "data": [50.0, 20.0],
                    "modifiers": [
                        {"name": "xsec", "type": "normsys", "data": {"lo": 0.9, "hi": 1.1}}
                    ],
                },
            ],
        },
        {
            "name": "CR",
            "samples": [
                {
                    "name": "background",
                    "data": [100.0],
                    "modifiers": [{"name": "mc", "type": "staterror", "data": [5.0]}],
                }
            ],
        },
    ],
    "observations": [{"name": "SR", "data": [53.0, 22.0]}, {"name": "CR", "data": [98.0]}],
    "measurements": [{"name": "main", "config": {"poi": "mu", "parameters": []}}],
    "version": "1.0.0",
}

SIGNAL = "channels[0].samples[0]"
BACKGROUND = "channels[0].samples[1]"


def at(document: Any, path: str) -> tuple[Any, Any]:
    """The container and the key of `path`, e.g. `channels[0].name`."""
    steps = [int(s) if s.isdigit() else s for s in re.findall(r"\w+", path)]
    for step in steps[:-1]:
        document = document[step]
    return document, steps[-1]


def put(*edits: tuple[str, Any]) -> bytes:
    """The base workspace with other values at some paths (NaN and Infinity as literals)."""
    document = copy.deepcopy(BASE)
    for path, value in edits:
        container, key = at(document, path)
        container[key] = value
    return json.dumps(document).encode()


def without(path: str) -> bytes:
    document = copy.deepcopy(BASE)
    container, key = at(document, path)
    del container[key]
    return json.dumps(document).encode()


def added(path: str, *values: Any) -> bytes:
    """The base workspace with values appended to the list at `path`."""
    container, key = at(BASE, path)
    return put((path, [*container[key], *values]))


def modifier(kind: str, name: str, data: Any = None) -> dict:
    return {"name": name, "type": kind, "data": data}


def configured(**config: Any) -> bytes:
    return put(("measurements[0].config.parameters", [config]))


def replaced(old: str, new: str) -> bytes:
    text = json.dumps(BASE)
    assert text.count(old) == 1
    return text.replace(old, new).encode()


@dataclasses.dataclass(frozen=True)
class Case:
    """`place` and `remedy` are parts of the message; `verb` is where a note must stand."""

    name: str
    content: Callable[[], bytes] | bytes
    place: str
    remedy: str
    status: ny.Status | None = None
    verbs: tuple[str, ...] = ("fit", "limit", "scan", "interval")

    def write(self, folder: pathlib.Path) -> pathlib.Path:
        path = folder / "ws.json"
        path.write_bytes(self.content() if callable(self.content) else self.content)
        return path


SUSPICIOUS = ny.Status.SUSPICIOUS_INPUT
CASES = [
    Case(
        "NaN in a sample",
        put((f"{BACKGROUND}.data[1]", math.nan)),
        "channels[0].samples[1].data[1]",
        "give a finite number",
    ),
    Case(
        "Infinity in a normsys",
        put((f"{BACKGROUND}.modifiers[0].data.hi", math.inf)),
        "channels[0].samples[1].modifiers[0].data.hi",
        "give a finite number",
    ),
    Case(
        "NaN in an observation",
        put(("observations[0].data[0]", math.nan)),
        "observations[0].data[0]",
        "give a finite number",
    ),
    Case(
        "negative yield",
        put((f"{SIGNAL}.data[1]", -1.0)),
        "channel 'SR', sample 'signal', bin 1: negative yield",
        "check the places named",
        SUSPICIOUS,
    ),
    Case(
        "negative observation",
        put(("observations[0].data[1]", -22.0)),
        "observation 'SR', bin 1",
        "counts are 0 or more",
    ),
    Case(
        "negative total",
        put((f"{BACKGROUND}.data[0]", -50.0)),
        "channel 'SR', bin 0",
        "check the sign of its samples: signal, background",
    ),
    Case(
        "zero expected, some observed",
        put((f"{SIGNAL}.data[1]", 0.0), (f"{BACKGROUND}.data[1]", 0.0)),
        "channel 'SR', bin 1",
        "add the missing background",
    ),
    Case(
        "zero expected, none observed",
        put(
            (f"{SIGNAL}.data[1]", 0.0),
            (f"{BACKGROUND}.data[1]", 0.0),
            ("observations[0].data[1]", 0.0),
        ),
        "channel 'SR', bin 1: 0 expected, 0 observed",
        "check the places named",
        SUSPICIOUS,
    ),
    Case(
        "normsys lo = 0",
        put((f"{BACKGROUND}.modifiers[0].data.lo", 0.0)),
        "channel 'SR', sample 'background', normsys 'xsec': lo = 0",
        "write it as a histosys",
    ),
    Case(
        "normsys lo < 0",
        put((f"{BACKGROUND}.modifiers[0].data.lo", -0.1)),
        "channel 'SR', sample 'background', normsys 'xsec': lo = -0.1",
        "write it as a histosys",
    ),
    Case(
        "normsys lo = hi",
        put((f"{BACKGROUND}.modifiers[0].data", {"lo": 1.1, "hi": 1.1})),
        "channel 'SR', sample 'background', normsys 'xsec': lo = hi = 1.1",
        "check the places named",
        SUSPICIOUS,
    ),
    Case(
        "yield of 1e308",
        put((f"{BACKGROUND}.data[0]", 1e308)),
        "channel 'SR', sample 'background', bin 0",
        "check the units",
    ),
    Case(
        "1e18 observed",
        put(("observations[1].data[0]", 1e18)),
        "observation 'CR', bin 0",
        "check the units",
    ),
    Case(
        "repeated key",
        replaced('"data": [6.0, 3.0]', '"data": [6.0, 3.0], "data": [60.0, 30.0]'),
        "channels[0].samples[0]",
        "keep one",
    ),
    Case(
        "two free norms on one sample",
        put(
            (
                f"{BACKGROUND}.modifiers",
                [modifier("normfactor", "k1"), modifier("normfactor", "k2")],
            )
        ),
        "k1 - k2",
        "fix one of the parameters named",
        ny.Status.FLAT_DIRECTION,
    ),
    Case(
        "zero signal",
        put((f"{SIGNAL}.data", [0.0, 0.0])),
        "mu",
        "fix one of the parameters named",
        ny.Status.FLAT_DIRECTION,
    ),
    Case(
        "parameter at its bound",
        put(("observations[0].data", [30.0, 10.0])),
        "mu: a parameter is at its bound",
        "quote an interval or a limit instead of the error",
        ny.Status.AT_BOUND,
        ("fit",),
    ),
    Case(
        "wrong length",
        put((f"{BACKGROUND}.data", [50.0])),
        "channel 'SR', sample 'background'",
        "give one a bin",
    ),
    Case(
        "string for a number",
        put((f"{BACKGROUND}.data[0]", "50.0")),
        "channels[0].samples[1].data[0]: channel 'SR', sample 'background'",
        "see the pyhf schema",
    ),
    Case(
        "unknown modifier",
        put((f"{BACKGROUND}.modifiers[0].type", "normsis")),
        "channels[0].samples[1].modifiers[0].type: channel 'SR', sample 'background'",
        "known modifiers are histosys, normsys",
    ),
    Case(
        "one name for two kinds",
        added(f"{SIGNAL}.modifiers", modifier("normfactor", "xsec")),
        "channel 'SR', sample 'background', normsys 'xsec'",
        "rename one of them",
    ),
    Case(
        "unknown poi",
        put(("measurements[0].config.poi", "mu_sig")),
        "measurement 'main': parameter of interest 'mu_sig'",
        "normfactors are mu",
    ),
    Case("no channel", put(("channels", [])), "ws.json: channels", "a workspace has channels"),
    Case("empty file", b"", "ws.json", "write a JSON document"),
    Case(
        "truncated file",
        json.dumps(BASE).encode()[:300],
        "channels[1]",
        "fetch or write the file again",
    ),
    Case(
        "nested 100,000 deep",
        b'{"channels": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "ws.json:1:",
        "flatten",
    ),
    Case("100 MB blank", lambda: b" " * 100_000_000, "ws.json", "write a JSON document"),
    Case("missing measurement", without("measurements"), "ws.json", "`measurements`"),
]

MORE = [
    Case(
        "Infinity in a histosys",
        added(
            f"{BACKGROUND}.modifiers",
            modifier("histosys", "tilt", {"lo_data": [1.0, math.inf], "hi_data": [1.0, 1.0]}),
        ),
        "channels[0].samples[1].modifiers[1].data.lo_data[1]",
        "give a finite number",
    ),
    Case(
        "1e999",
        replaced("50.0", "1e999"),
        "channels[0].samples[1].data[0]",
        "give a",
    ),
    Case(
        "normsys hi of 1e12",
        put((f"{BACKGROUND}.modifiers[0].data.hi", 1e12)),
        "channel 'SR', sample 'background', normsys 'xsec': hi = 1e+12",
        "check the places named",
        SUSPICIOUS,
    ),
    Case(
        "histosys of the wrong length",
        added(
            f"{BACKGROUND}.modifiers",
            modifier("histosys", "tilt", {"lo_data": [1.0], "hi_data": [1.0, 1.0]}),
        ),
        "channel 'SR', sample 'background', histosys 'tilt', lo_data",
        "give one a bin",
    ),
    Case(
        "staterror of the wrong length",
        put(("channels[1].samples[0].modifiers[0].data", [5.0, 5.0])),
        "channel 'CR', sample 'background', staterror 'mc', data",
        "give one a bin",
    ),
    Case(
        "observation of the wrong length",
        put(("observations[0].data", [53.0])),
        "observation 'SR'",
        "give one a bin",
    ),
    Case(
        "observation missing",
        without("observations[1]"),
        "channel 'CR'",
        "add one with the channel's name",
    ),
    Case(
        "channel twice",
        put(("channels[1].name", "SR")),
        "channel 'SR'",
        "rename one of them",
    ),
    Case(
        "sample twice",
        put((f"{SIGNAL}.name", "background")),
        "channel 'SR', sample 'background'",
        "rename one of them",
    ),
    Case(
        "observation twice",
        put(("observations[1].name", "SR")),
        "observation 'SR'",
        "rename one of them",
    ),
    Case(
        "modifier twice on a sample",
        added(f"{SIGNAL}.modifiers", modifier("normfactor", "mu")),
        "channel 'SR', sample 'signal', normfactor 'mu'",
        "remove one of the two",
    ),
    Case(
        "shapesys on two samples",
        put(
            (f"{SIGNAL}.modifiers[0]", modifier("shapesys", "u", [1.0, 1.0])),
            (f"{BACKGROUND}.modifiers[0]", modifier("shapesys", "u", [1.0, 1.0])),
            ("measurements[0].config.poi", ""),
        ),
        "channel 'SR', sample 'signal', shapesys 'u'",
        "rename one of the two",
    ),
    Case(
        "shapesys of zeros",
        added(f"{BACKGROUND}.modifiers", modifier("shapesys", "u", [0.0, 0.0])),
        "channel 'SR', sample 'background', shapesys 'u': no uncertainty in any bin",
        "check the places named",
        SUSPICIOUS,
    ),
    Case(
        "negative uncertainty",
        put(("channels[1].samples[0].modifiers[0].data", [-5.0])),
        "channel 'CR', sample 'background', staterror 'mc': negative uncertainty",
        "check the places named",
        SUSPICIOUS,
    ),
    Case(
        "lumi without a configuration",
        added(f"{SIGNAL}.modifiers", modifier("lumi", "lumi")),
        "parameter 'lumi'",
        "give its auxdata, sigmas, inits and bounds",
    ),
    Case(
        "lumi of another name",
        added(f"{SIGNAL}.modifiers", modifier("lumi", "luminosity")),
        "channels[0].samples[0].modifiers[1].name: channel 'SR', sample 'signal'",
        "see the pyhf schema",
    ),
    Case(
        "bounds reversed",
        configured(name="mu", bounds=[[10.0, 0.0]]),
        "parameter 'mu': bounds [10, 0]",
        "give the lower bound first",
    ),
    Case(
        "init outside the bounds",
        configured(name="mu", inits=[20.0]),
        "parameter 'mu': init 20 outside its bounds",
        "check the places named",
        SUSPICIOUS,
    ),
    Case(
        "NaN in an init",
        configured(name="mu", inits=[math.nan]),
        "measurements[0].config.parameters[0].inits[0]",
        "give a finite number",
    ),
    Case(
        "negative sigma",
        configured(name="mc", sigmas=[-0.1]),
        "measurement 'main', parameter 'mc': sigmas = -0.1",
        "a width must be above 0",
    ),
    Case(
        "too many inits",
        configured(name="mu", inits=[1.0, 1.0]),
        "parameter 'mu': inits",
        "expected 1",
    ),
    Case(
        "three numbers for bounds",
        configured(name="mu", bounds=[[0.0, 1.0, 2.0]]),
        "measurements[0].config.parameters[0].bounds[0]",
        "see the pyhf schema",
    ),
    Case(
        "parameter configured twice",
        put(("measurements[0].config.parameters", [{"name": "mu"}, {"name": "mu"}])),
        "parameter 'mu'",
        "remove one of the two",
    ),
    Case(
        "a misspelt parameter",
        configured(name="xsecs", fixed=True),
        "parameter 'xsecs': on no sample, unlike 'xsec'",
        "check the places named",
        SUSPICIOUS,
    ),
    Case(
        "no bins",
        put((f"{SIGNAL}.data", []), (f"{BACKGROUND}.data", []), ("observations[0].data", [])),
        "channel 'SR', sample 'signal'",
        "give its yields",
    ),
    Case(
        "no samples",
        put(("channels[1].samples", [])),
        "channel 'CR'",
        "add one or remove the channel",
    ),
    Case("no measurement", put(("measurements", [])), "ws.json: measurements", "a workspace has"),
    Case("a list", b"[1, 2]", "ws.json", "give a pyhf workspace"),
    Case("a number", b"17", "ws.json", "give a pyhf workspace"),
    Case("another version", put(("version", "2.0.0")), "version", "see the pyhf schema"),
    Case("a key too many", put(("channles", [])), "ws.json", "channles"),
    Case("not UTF-8", b'{"channels": "\xff"}', "ws.json:1:15", "save it as UTF-8"),
    Case("null for yields", put((f"{SIGNAL}.data", None)), f"{SIGNAL}.data", "see the pyhf schema"),
    Case("true for a yield", put((f"{SIGNAL}.data[0]", True)), f"{SIGNAL}.data[0]", "schema"),
]


@pytest.mark.parametrize("case", CASES + MORE, ids=lambda case: case.name)
def test_python(case, tmp_path):
    path = case.write(tmp_path)
    if case.status is None:
        with pytest.raises(ny.InputError) as caught:
            ny.load(path)
        message = str(caught.value)
        assert "\n" not in message and len(message) < 500
        assert case.place in message
        assert case.remedy in message
    else:
        like = ny.load(path)
        verbs = {"fit": ny.fit, "limit": ny.upper_limit, "scan": ny.scan, "interval": ny.interval}
        for name in case.verbs:
            result = verbs[name](like)
            notes = [str(note) for note in result.notes if note.status is case.status]
            assert any(case.place in note and case.remedy in note for note in notes), result.message


@pytest.mark.parametrize("case", CASES + MORE, ids=lambda case: case.name)
def test_command_line(case, tmp_path, capsys):
    path = case.write(tmp_path)
    for verb in case.verbs if case.status is not None else ("fit", "limit"):
        code = main([verb, str(path), "--json"])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        if case.status is None:
            assert code == 2
            assert not out
            assert err.count("\n") == 1
            assert case.place in err and case.remedy in err
        else:
            answer = json.loads(out)
            assert code == int(ny.Status[answer["status"].upper()].failed)
            assert case.place in answer["message"] and case.remedy in answer["message"]


def test_28_are_listed():
    assert len(CASES) == 28
    assert len({case.name for case in CASES + MORE}) == len(CASES) + len(MORE)


def document(*edits: tuple[str, Any]) -> dict:
    """As `put`, but as decoded: NaN comes from a dict, not from a file."""
    result = copy.deepcopy(BASE)
    for path, value in edits:
        container, key = at(result, path)
        container[key] = value
    return result


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("path", "place"),
    [
        (f"{BACKGROUND}.data[1]", "channel 'SR', sample 'background', bin 1"),
        (f"{BACKGROUND}.modifiers[0].data.lo", "normsys 'xsec'"),
        ("channels[1].samples[0].modifiers[0].data[0]", "staterror 'mc', data, bin 0"),
        ("observations[0].data[1]", "observation 'SR', bin 1"),
    ],
)
def test_not_finite_in_a_dict(path, place, value):
    with pytest.raises(ny.InputError) as caught:
        ny.load(document((path, value)))
    assert place in str(caught.value)
    assert "give a finite number" in str(caught.value)


@pytest.mark.parametrize("key", ["inits", "bounds", "auxdata", "sigmas"])
def test_not_finite_in_a_dicts_configuration(key):
    value = [[0.0, math.nan]] if key == "bounds" else [math.nan]
    config = {"name": "mc", key: value}
    with pytest.raises(ny.InputError, match="parameter 'mc"):
        ny.load(document(("measurements[0].config.parameters", [config])))


def test_a_fixed_parameter_of_interest():
    config = {"name": "mu", "fixed": True}
    like = ny.load(document(("measurements[0].config.parameters", [config])))
    assert ny.fit(like)["mu"].value == 1.0
    for verb in (ny.upper_limit, ny.significance, ny.interval, ny.scan):
        with pytest.raises(ny.InputError, match="parameter 'mu': is fixed; free it"):
            verb(like)


def test_no_parameter_of_interest():
    like = ny.load(document(("measurements[0].config.poi", "")))
    assert not ny.fit(like).status.failed
    with pytest.raises(ny.InputError, match="poi"):
        ny.upper_limit(like)
    assert ny.upper_limit(like, "mu").observed > 0


def test_an_unknown_measurement_lists_the_known():
    with pytest.raises(ny.InputError, match=r"measurement 'other'.*known are main"):
        ny.load(BASE, measurement="other")


def test_names_may_be_any_unicode():
    name = "σ(tt̄) \u202e🎲 '\"\\ ../../x"
    like = ny.load(
        document(
            (f"{BACKGROUND}.modifiers[0].name", name),
            ("channels[0].name", name),
            ("observations[0].name", name),
        )
    )
    assert name in like.parameters
    assert json.loads(ny.fit(like).to_json())["parameters"][name]["error"] > 0


def test_a_thousand_samples():
    samples = [
        {
            "name": f"process {i}",
            "data": [0.05, 0.02],
            "modifiers": [modifier("normsys", f"xsec {i}", {"lo": 0.9, "hi": 1.1})],
        }
        for i in range(1000)
    ]
    whole = copy.deepcopy(BASE)
    whole["channels"][0]["samples"] = [whole["channels"][0]["samples"][0], *samples]
    best = ny.fit(ny.load(whole))
    assert not best.status.failed, best.message
    assert best["mu"].error > 0


def test_a_file_is_read_without_a_warning(tmp_path):
    """And the base workspace itself has nothing to note."""
    path = tmp_path / "ws.json"
    path.write_bytes(put())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        like = ny.load(path)
        assert ny.fit(like).status is ny.Status.FINE
        assert ny.upper_limit(like).status is ny.Status.FINE
