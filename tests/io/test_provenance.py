"""Provenance says what went in and nothing about the machine."""

import getpass
import hashlib
import json
import re
import socket
import subprocess
import sys

from neyman.io.provenance import digest, provenance, version


def test_digests():
    assert digest(b"x") == hashlib.sha256(b"x").hexdigest()
    assert digest({"b": 1, "a": "\u00e9"}) == digest({"a": "\u00e9", "b": 1})
    assert digest({"a": 1}) != digest({"a": 1.0})
    assert digest({"a": 1}, "md5") == hashlib.md5(b'{"a": 1}').hexdigest()


def test_record():
    record = provenance({"ws.json": digest({})}, seed=3)
    assert record["inputs"] == {"ws.json": digest({})}
    assert record["seed"] == 3
    assert record["versions"].keys() == {"python", "neyman", "numpy", "jax"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", record["date"])
    assert json.loads(json.dumps(record)) == record


def test_folders_are_cut_off():
    inputs = {"/home/ann/a/ws.json": "1", "/home/ann/b/ws.json": "2", "C:\\ann\\x.toml": "3"}
    record = provenance(inputs)
    assert record["inputs"] == {"ws.json": "1", "ws.json #2": "2", "x.toml": "3"}
    text = json.dumps(record)
    assert "/home" not in text and "ann" not in text and socket.gethostname() not in text
    assert getpass.getuser() == "root" or getpass.getuser() not in text


def test_versions_are_read_without_imports():
    assert version("no-such-package") is None
    code = (
        "import sys, neyman.io.provenance as p, neyman.io.patchset, neyman.io.archive;"
        "p.provenance({}); sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
