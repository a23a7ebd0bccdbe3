"""The program that goes with a surrogate: ten lines that need numpy and onnxruntime alone."""

import re

from neyman.status import InputError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.onnx")
ARGUMENT = re.compile(r"[A-Za-z0-9_.-]{1,60}")

SCRIPT = '''"""log L by the surrogate beside this file; needs numpy and onnxruntime, nothing else.

    python evaluate.py%(example)s

Parameters that are not named have their initial values. `log_prob` is log L at the observed data,
`log_prob_asimov` at the background-only Asimov data, `distance` that from the maximum. The last
line says whether the point lies in the domain where the surrogate is known to hold.
"""

import json, pathlib, sys
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(pathlib.Path(__file__).with_name(%(name)a))
card = session.get_modelmeta().custom_metadata_map
theta = {p["name"]: p["init"] for p in json.loads(card["parameters"])}
given = {name: float(value) for name, value in (a.rsplit("=", 1) for a in sys.argv[1:])}
assert given.keys() <= theta.keys(), f"the parameters are {', '.join(theta)}"
precision = {"tensor(float)": np.float32}.get(session.get_inputs()[0].type, np.float64)
points = np.array([list((theta | given).values())], dtype=precision)  # (N, P): rows are points
found = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"theta": points})))
for name, values in found.items():
    print(name, *values.tolist())

domain, x = json.loads(card["domain"]), list((theta | given).values())
inside = all(a is None or a <= b for a, b in zip(domain["lower"], x))
inside = inside and all(b is None or a <= b for a, b in zip(x, domain["upper"]))
if domain["radius"] is not None and "distance" in found:
    inside = inside and float(found["distance"][0]) <= domain["radius"]
print("inside the domain" if inside else "OUTSIDE THE DOMAIN: do not trust it")
'''


def script(name: str, poi: str | None) -> str:
    """The program for the ONNX file `name` beside it; `poi` is in its example."""
    shown = poi is not None and ARGUMENT.fullmatch(poi)
    return SCRIPT % {"name": name, "example": f" {poi}=1" if shown else ""}


def check_name(name: str) -> None:
    """Refuse what is no plain name of an ONNX file, which every system can have."""
    if not NAME.fullmatch(name):
        raise InputError(name, "is no plain file name", "use letters, digits and .onnx")
