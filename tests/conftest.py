"""Strict numerics for every test: types checked at run time, dtypes and ranks never promoted."""

import gc
import os
import pathlib
from collections.abc import Iterator

import jaxtyping

hook = jaxtyping.install_import_hook("neyman", "beartype.beartype")
hook.install() if hasattr(hook, "install") else None

import hypothesis  # noqa: E402
import pytest  # noqa: E402

from neyman._jax import jax  # noqa: E402

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# The same examples on every run, at any speed; HYPOTHESIS_PROFILE=default draws new ones.
hypothesis.settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

SHARED = pathlib.Path(__file__).parents[2] / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the slow tests only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = config.getoption("--slow")
    skip = pytest.mark.skip(reason="runs with --slow (make slow)" if not chosen else "not slow")
    for item in items:
        if ("slow" in item.keywords) != chosen:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def memory() -> "Memory":
    return Memory()


@pytest.fixture(autouse=True)
def forget(memory: "Memory") -> Iterator[None]:
    yield
    memory.forget()


class Memory:
    """Compiled programs are forgotten when they are many, for thousands would fill the machine."""

    def __init__(self) -> None:
        self.limit = 2.0

    def forget(self) -> None:
        if gibibytes_in_use() > self.limit:
            jax.clear_caches()
            gc.collect()
            self.limit = max(2.0, gibibytes_in_use() + 1.0)


def gibibytes_in_use() -> float:
    pages = pathlib.Path("/proc/self/statm")
    if not pages.exists():  # not Linux
        return 0.0
    return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**30


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """`../shared/data`; what needs it is skipped where it is absent."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("../shared/data is absent")
    return folder
