"""Imports go one way, and `import neyman` reads next to nothing.

The layers of the design, lowest first. A module may import from its own layer and from those
below; of the roads (`likelihoods/*`) none imports another, and inference imports none of them,
nor does anything below `jobs` join them. What `TYPE_CHECKING` guards is exempt, for it is never
run.
"""

import ast
import pathlib
import subprocess
import sys

import pytest

import neyman

ROOT = pathlib.Path(neyman.__file__).parent
LAYERS = (
    ("_jax",),
    ("status", "parameters"),
    ("io", "execute", "learn"),
    ("auxiliary", "model", "joint", "reparametrised", "results"),
    ("likelihoods", "simulators"),
    ("inference",),
    ("contours",),
    ("plot", "plots", "report"),
    ("jobs",),
    ("cli", "__main__"),
)
HEIGHT = {name: height for height, layer in enumerate(LAYERS) for name in layer}
INFERENCE = HEIGHT["inference"]
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imported(node: ast.AST) -> list[str]:
    """Every `neyman...` module that the code below `node` imports, at whatever depth."""
    names: list[str] = []
    for child in ast.iter_child_nodes(node):
        if is_type_checking(child):
            continue
        if isinstance(child, ast.Import):
            names += [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "relative imports hide the direction"
            names += [f"{child.module}.{alias.name}" for alias in child.names]
        elif isinstance(child, ast.Call) and ast.unparse(child.func).endswith("import_module"):
            first = child.args[0]
            names += [first.value] if isinstance(first, ast.Constant) else []
        names += imported(child)
    return [name for name in names if name.split(".")[0] == "neyman"]


def parts_of(name: str) -> list[str]:
    """`neyman.inference.fit.best` as ["inference", "fit", "best"]; attributes of the package,
    such as `neyman.load`, by where they live."""
    parts = name.split(".")[1:]
    home = neyman._HOME.get(parts[0]) if parts else None
    is_module = parts and ((ROOT / parts[0]).is_dir() or (ROOT / f"{parts[0]}.py").exists())
    return home.split(".")[1:] if home and not is_module else parts


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_go_one_way(path):
    parts = [p for p in path.with_suffix("").parts if p != "__init__"]
    if not parts:
        return  # the package itself: see test_the_package_imports_nothing
    height = HEIGHT[parts[0]]
    for name in imported(ast.parse((ROOT / path).read_text())):
        target = parts_of(name)
        if target in ([], ["__version__"]):
            continue
        assert HEIGHT[target[0]] <= height, f"{path} imports {name}, which is above it"
        if target[0] == "likelihoods":
            if parts[0] == "likelihoods" and len(parts) > 2:
                assert target[1] == parts[1], f"{path}: a road imports the road {name}"
            assert height != INFERENCE, f"{path}: inference imports the road {name}"
        if parts[0] == "likelihoods" and parts[1] in ("counting", "auxiliary"):
            assert target[0] != "likelihoods", f"{path} imports the road {name}"


def test_every_module_has_a_layer():
    tops = {p.parts[0].removesuffix(".py") for p in MODULES} - {"__init__"}
    assert tops <= set(HEIGHT)


def test_the_package_imports_nothing():
    assert imported(ast.parse((ROOT / "__init__.py").read_text())) == []


def loaded_by(code: str) -> set[str]:
    """The modules in a fresh interpreter after `code`."""
    printed = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(printed.stdout.split())


def test_import_neyman_alone():
    modules = loaded_by("import neyman")
    assert not modules & {"jax", "numpy", "scipy", "typer", "matplotlib"}
    assert {m for m in modules if m.split(".")[0] == "neyman"} == {"neyman"}


def test_the_types_alone():
    modules = loaded_by("import neyman; neyman.Parameters, neyman.Model, neyman.Status")
    above = {name for layer in LAYERS[INFERENCE - 1 :] for name in layer}
    read = {m.split(".")[1] for m in modules if m.startswith("neyman.")}
    assert "model" in read
    assert not read & above
    assert not modules & {"typer", "matplotlib"}


def test_every_public_name_is_there():
    for name in neyman._HOME:
        assert getattr(neyman, name) is not None
    assert set(neyman._HOME) < set(dir(neyman))
    with pytest.raises(AttributeError, match="no attribute 'upper_limits'"):
        _ = neyman.upper_limits
