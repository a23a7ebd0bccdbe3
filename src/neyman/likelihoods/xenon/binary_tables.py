"""Columns of HDF5 and ROOT files, read from memory so that no other file is ever opened."""

import io
import math
from typing import Any, ClassVar

import numpy as np

from neyman.likelihoods.xenon.table_files import Column, check_size, damaged, name_and_unit
from neyman.status import InputError

MAX_BYTES_A_VALUE = 8
BASKET_HEADER = 1000
"""More bytes than ROOT puts before the values of a basket."""
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
            return dict(_hdf5_column(file[key], key, f"{name}: '{key}'") for key in keys)

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


def _hdf5_column(item: Any, key: str, place: str) -> tuple[str, Column]:
    column, unit = name_and_unit(key)
    unit = fixed_text(item, "unit", place) or unit
    return column, Column(np.asarray(item[:], dtype=float), unit)


def fixed_text(item: Any, name: str, place: str) -> str:
    """A text attribute of an HDF5 object, "" where it has none.

    Only text of fixed length is read: on text of variable length, which lies on the file's heap,
    the HDF5 library was seen to run for ever where the file is damaged.
    """
    if name not in item.attrs:
        return ""
    attribute = item.attrs.get_id(name)
    if attribute.shape != () or attribute.dtype.kind != "S":
        problem = f"attribute '{name}' is not text of fixed length"
        raise InputError(place, problem, f"write it as numpy.bytes_, or the {name} into the name")
    return item.attrs[name].decode()


def read_root(data: bytes, name: str, tree: str | None) -> dict[str, Column]:
    """The flat numeric branches of a tree of a ROOT file; others are left out.

    A ROOT file describes its types itself, and uproot compiles and runs Python code made from
    that description where a type is new to it (`uproot.deserialization.compile_class`; names of
    members go into the code as they are). The description is therefore withheld: the types of
    trees, branches and leaves are known without it.
    """
    try:
        import uproot
    except ImportError:
        raise InputError(name, "needs the package uproot", EXTRA) from None

    class WithoutTypes(uproot.ReadOnlyFile):
        streamers: ClassVar = {}

    def read() -> dict[str, Column]:
        with WithoutTypes(io.BytesIO(data)) as opened:
            file = opened.root_directory
            classes = file.classnames(recursive=False, cycle=False)
            trees = [key for key, of in classes.items() if of == "TTree"]
            chosen = _chosen(name, trees, tree)
            branches = file[chosen].branches
            flat = [b for b in branches if _is_flat(uproot, b)]
            check_size(name, file[chosen].num_entries, max(len(flat), 1))
            for branch in flat:
                _check_baskets(f"{name}: '{branch.name}'", branch)
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


def _check_baskets(place: str, branch: Any) -> None:
    """Refuse baskets that claim to unpack to more than the entries of the branch take."""
    claimed = sum(branch.basket_uncompressed_bytes(i) for i in range(branch.num_baskets))
    honest = MAX_BYTES_A_VALUE * branch.num_entries + BASKET_HEADER * branch.num_baskets
    if claimed > honest:
        problem = f"claims to unpack to {claimed:,} bytes for {branch.num_entries:,} entries"
        raise InputError(place, problem, "check that the file is whole")


def _root_column(branch: Any) -> tuple[str, Column]:
    column, unit = name_and_unit(branch.name)
    return column, Column(np.asarray(branch.array(library="np"), dtype=float), unit)
