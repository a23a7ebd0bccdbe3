"""Columns of HDF5 and ROOT files, read from memory so that no other file is ever opened."""

import io
import math
from typing import Any

import numpy as np

from neyman.likelihoods.xenon.table_files import Column, check_size, damaged, name_and_unit
from neyman.status import InputError

MAX_BYTES_A_VALUE = 8
EXTRA = "pip install neyman[hep]"


def read_hdf5(data: bytes, name: str) -> dict[str, Column]:
    """The one-dimensional numeric data sets at the top of an HDF5 file."""
    try:
        import h5py
    except ImportError:
        raise InputError(name, "needs the package h5py", EXTRA) from None

    def read() -> dict[str, Column]:
        with h5py.File(io.BytesIO(data), "r") as file:
            keys = list(file)
            check_size(name, 0, len(keys))
            for key in keys:
                _check_dataset(f"{name}: '{key}'", h5py, file, key)
            check_size(name, max((file[key].shape[0] for key in keys), default=0), len(keys))
            return dict(_hdf5_column(file[key], key) for key in keys)

    return damaged(name, read)


def _check_dataset(place: str, h5py: Any, file: Any, key: str) -> None:
    if not isinstance(file.get(key, getlink=True), h5py.HardLink):
        raise InputError(place, "is a link to somewhere else", "copy the data into the file")
    item = file[key]
    if not isinstance(item, h5py.Dataset) or item.ndim != 1:
        problem = "is not a one-dimensional data set"
        raise InputError(place, problem, "give one data set a column")
    if item.external or item.is_virtual:
        raise InputError(place, "refers to another file", "copy the data into the file")
    if item.dtype.kind not in "iuf" or item.dtype.itemsize > MAX_BYTES_A_VALUE:
        raise InputError(place, f"has the type {item.dtype}", "give numbers")
    check_size(place, math.prod(item.chunks or (0,)), 1)


def _hdf5_column(item: Any, key: str) -> tuple[str, Column]:
    unit = item.attrs.get("unit", "")
    unit = unit.decode() if isinstance(unit, bytes) else str(unit)
    column, in_name = name_and_unit(key)
    return column, Column(np.asarray(item[:], dtype=float), unit or in_name)


def read_root(data: bytes, name: str, tree: str | None) -> dict[str, Column]:
    """The flat numeric branches of a tree of a ROOT file; others are left out.

    uproot compiles classes from the file's own description of its types; only trees, which it
    knows by itself, are read here.
    """
    try:
        import uproot
    except ImportError:
        raise InputError(name, "needs the package uproot", EXTRA) from None

    def read() -> dict[str, Column]:
        with uproot.open(io.BytesIO(data)) as file:
            classes = file.classnames(recursive=False, cycle=False)
            trees = [key for key, of in classes.items() if of == "TTree"]
            chosen = _chosen(name, trees, tree)
            branches = file[chosen].branches
            flat = [b for b in branches if _is_flat(uproot, b)]
            check_size(name, file[chosen].num_entries, max(len(flat), 1))
            check_size(name, sum(b.uncompressed_bytes for b in flat) // 4, 1)
            return dict(_root_column(b) for b in flat)

    return damaged(name, read)


def _chosen(name: str, trees: list[str], tree: str | None) -> str:
    there = ", ".join(trees) or "none"
    if tree is None and len(trees) == 1:
        return trees[0]
    if tree is None:
        raise InputError(name, f"has {len(trees)} trees", f"name one with tree=: {there}")
    if tree not in trees:
        raise InputError(name, f"there is no tree '{tree}'", f"its trees are {there}")
    return tree


def _is_flat(uproot: Any, branch: Any) -> bool:
    of = branch.interpretation
    return (
        isinstance(of, uproot.AsDtype)
        and not of.to_dtype.shape
        and of.to_dtype.kind in "iufb"
        and of.to_dtype.itemsize <= MAX_BYTES_A_VALUE
    )


def _root_column(branch: Any) -> tuple[str, Column]:
    column, unit = name_and_unit(branch.name)
    return column, Column(np.asarray(branch.array(library="np"), dtype=float), unit)
