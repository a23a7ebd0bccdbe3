"""The verb `sample`: keys, values, files, resuming and refusals."""

import pathlib

import neyman as ny


def test_sample(run, ws):
    ran = run(f"sample {ws} --draws 300 --chains 4 --seed 5 --json --out results --resume chains")
    assert ran.code == 0
    assert set(ran.json) == {"status", "message", "provenance", "parameters", "divergences"}
    row = ran.json["parameters"]["mu"]
    assert set(row) == {"mean", "sd", "hdi68", "hdi95", "hdi99", "ess", "rhat"}
    assert row["hdi95"][0] < row["hdi68"][0] < row["mean"] < row["hdi68"][1] < row["hdi95"][1]
    assert ran.json["provenance"]["seed"] == 5
    files = {path.name for path in pathlib.Path("results").iterdir()}
    assert files == {"result.json", "summary.txt", "provenance.json", "corner.png"}
    loaded = ny.load_result("results/result.json")
    assert loaded["mu"].mean == row["mean"]
    assert loaded.draws.shape == (4, 300, len(loaded.names))
    again = run(f"sample {ws} --draws 300 --chains 4 --seed 5 --json --resume chains")
    assert again.json["parameters"] == ran.json["parameters"]
    other = run(f"sample {ws} --draws 300 --chains 4 --seed 6 --resume chains")
    assert other.code == 2
    assert "chains: holds another computation: key is 5 there and 6 here" in other.line


def test_weighted_draws(run, ws):
    ran = run(f"sample {ws} --sampler importance --draws 500 --json --plot corner.png")
    assert ran.code == 0
    assert ran.json["pareto_k"] < 0.7
    assert ran.json["parameters"]["mu"]["ess"] > 200
    assert pathlib.Path("corner.png").stat().st_size > 1000
    line = run(f"sample {ws} --sampler importance --draws 500").out.splitlines()[0]
    assert "500 weighted draws, k = " in line
    assert "leave chains out" in run(f"sample {ws} --sampler importance --chains 4").line


def test_refusals(run, ws):
    assert run(f"sample {ws} --draws -1").code == 2
    assert run(f"sample {ws} --sampler gibbs").code == 2
    assert run(f"sample {ws} --workers 0").code == 2
    assert run(f"sample {ws} --workers 2 --dask tcp://a:1").code == 2
    assert "Example: neyman sample" in run("sample --help").out
