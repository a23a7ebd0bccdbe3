"""Real analyses, where the folder that holds them is there."""

import pathlib

import pytest

DATA = pathlib.Path(__file__).parents[2].parent / "shared" / "data" / "histfactory"


@pytest.fixture(scope="session")
def histfactory() -> pathlib.Path:
    if not DATA.is_dir():
        pytest.skip(f"no real workspaces: the folder {DATA} is absent")
    return DATA
