"""The same numbers however they are computed; what goes wrong is a value in its place."""

import concurrent.futures
import errno
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

from neyman.execute import Failed, Processes, backends, execute
from neyman.io.chunks import ChunkStore, plain_arrays, same
from neyman.status import InputError
from tests.execute import jobs
from tests.execute.kills import gone

EXPECTED = [plain_arrays(jobs.toys(i)) for i in range(12)]


@pytest.fixture(scope="module")
def two():
    with Processes(2) as processes:
        yield processes


def worker_threads():
    return [thread for thread in threading.enumerate() if thread.name == "neyman worker"]


@pytest.fixture(autouse=True)
def no_leftovers():
    """But `two`, and the tracker that `multiprocessing` keeps."""
    yield
    assert len(worker_threads()) <= 2
    children = psutil.Process().children(recursive=True)
    assert len(children) <= 3, children


def equal(results, expected=EXPECTED):
    return len(results) == len(expected) and all(map(same, results, expected))


def test_in_this_process():
    assert equal(list(execute(jobs.toys, range(12))))
    assert list(execute(jobs.toys, [])) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_local_processes(workers):
    with Processes(workers) as processes:
        assert equal(list(execute(jobs.toys, range(12), workers=processes)))


@pytest.mark.parametrize(
    "kind", [concurrent.futures.ThreadPoolExecutor, concurrent.futures.ProcessPoolExecutor]
)
def test_any_executor_is_used_and_left_running(kind):
    options = {}
    if kind is concurrent.futures.ProcessPoolExecutor:
        import multiprocessing

        options = {"mp_context": multiprocessing.get_context("spawn")}
    with kind(2, **options) as executor:
        assert equal(list(execute(jobs.toys, range(12), workers=executor)))
        assert executor.submit(abs, -1).result() == 1
        with pytest.raises(InputError, match="the file: is wrong; mend it"):
            list(execute(jobs.refuses, range(12), workers=executor))
        if options:
            with pytest.raises(InputError, match=r"executor (is broken|refuses)"):
                list(execute(jobs.dies_on_2, range(12), workers=executor))
        else:
            results = list(execute(jobs.fails_on_3, range(12), workers=executor))
            assert results[3] == Failed(3, "ZeroDivisionError: of course", 2)
    with pytest.raises(InputError, match="the executor refuses"):
        list(execute(jobs.toys, range(12), workers=executor))


def sleeps_on_2(index):
    time.sleep(0.6 * (index == 2))
    return jobs.toys(index)


def test_a_timeout_on_an_executor_gives_the_job_up():
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        results = list(execute(sleeps_on_2, range(4), workers=executor, timeout=0.1, retries=0))
    assert results[2] == Failed(2, "took longer than 0.1 seconds", 1)
    assert equal(results[:2] + results[3:], EXPECTED[:2] + EXPECTED[3:4])
    time.sleep(0.6)


@pytest.mark.parametrize("workers", [1, "two"])
def test_an_exception_is_counted_and_the_others_go_on(workers, two):
    workers = two if workers == "two" else workers
    results = list(execute(jobs.fails_on_3, range(12), workers=workers, retries=2))
    assert results[3] == Failed(3, "ZeroDivisionError: of course", 3)
    assert str(results[3]) == "job 3 failed (3 attempts): ZeroDivisionError: of course"
    assert equal(results[:3] + results[4:], EXPECTED[:3] + EXPECTED[4:])
    with pytest.raises(InputError, match="the file: is wrong; mend it"):
        list(execute(jobs.refuses, range(12), workers=workers))
    with pytest.raises(InputError, match="has the type object"):
        list(execute(jobs.unpicklable_result, range(12), workers=workers))


@pytest.mark.parametrize(
    ("function", "timeout", "reason"),
    [
        (jobs.dies_on_2, None, "its process died (signal 9)"),
        (jobs.hangs_on_2, 0.3, "took longer than 0.3 seconds"),
    ],
)
def test_a_job_that_kills_its_worker_or_hangs(two, tmp_path, function, timeout, reason):
    store = ChunkStore(tmp_path / "s", jobs.SPEC)
    options = {"workers": two, "timeout": timeout, "store": store}
    results = list(execute(function, range(12), **options))
    assert results[2] == Failed(2, reason, 2)
    assert equal(results[:2] + results[3:], EXPECTED[:2] + EXPECTED[3:])
    assert store.indices() == (0, 1, *range(3, 12))  # a failed job is not stored


@pytest.mark.parametrize("way", ["dies", "hangs", "raises"])
def test_a_second_attempt_gives_the_same_numbers(two, tmp_path, way):
    work = [(str(tmp_path), way, i) for i in range(12)]
    timeout = 0.5 if way == "hangs" else None
    assert equal(list(execute(jobs.once, work, workers=two, timeout=timeout)))


def test_a_timeout_with_one_worker_starts_a_process():
    (result,) = execute(jobs.process, [0], timeout=20.0)
    assert result["pid"] != os.getpid()


def test_workers_killed_from_outside_are_replaced(two):
    results = []
    for result in execute(jobs.process, range(40), workers=two, retries=20):
        results.append(int(result["pid"]))
        if len(results) % 8 == 1:
            os.kill(results[-1], signal.SIGKILL)
    assert len(results) == 40 and len(set(results)) > 3


def test_an_initializer_runs_in_each_process():
    results = list(execute(jobs.process, range(6), workers=2, initializer=jobs.set_environment))
    assert {int(result["value"]) for result in results} == {5}
    assert len({int(result["pid"]) for result in results} - {os.getpid()}) == 2


def test_processes_that_cannot_start_are_named():
    with pytest.raises(InputError, match="ended 3 times before its first job"):
        list(execute(jobs.toys, range(3), workers=2, initializer=jobs.broken_initializer))


def test_what_cannot_be_sent_is_named(two):
    with pytest.raises(InputError, match="cannot be sent to another process"):
        list(execute(lambda job: {}, range(3), workers=two))
    with pytest.raises(InputError, match="cannot be sent to another process"):
        list(execute(jobs.toys, [threading.Lock()], workers=two))
    assert list(execute(lambda job: {}, range(3))) == [{}, {}, {}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "0 is less than 1"),
        ({"workers": True}, "a bool runs no jobs"),
        ({"workers": 2.0}, "a float runs no jobs"),
        ({"timeout": 0.0}, "0 is not positive"),
        ({"retries": -1}, "-1 is negative"),
        ({"workers": "tcp://127.0.0.1:1"}, "no Dask scheduler answers"),
        ({"workers": "nonsense://"}, "no Dask scheduler answers"),
    ],
)
def test_bad_options(options, message, monkeypatch):
    monkeypatch.setattr(backends, "PATIENCE", 1)
    with pytest.raises(InputError, match=message):
        list(execute(jobs.toys, range(3), **options))


def test_dask_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"Dask is not installed; .*neyman\[dask\]"):
        list(execute(jobs.toys, range(3), workers="tcp://127.0.0.1:1"))


# ---- stores


def test_what_is_stored_is_not_computed_again(tmp_path, two):
    store = ChunkStore(tmp_path / "s", jobs.SPEC)
    assert equal(list(execute(jobs.toys, range(4), store=store)), EXPECTED[:4])
    assert equal(list(execute(jobs.fails_on_3, range(12), store=store, workers=two)))
    assert equal(list(execute(jobs.refuses, range(12), store=store)))
    assert store.indices() == tuple(range(12)) and store.notes == []


def test_more_jobs_can_follow_under_later_indices(tmp_path):
    store = ChunkStore(tmp_path / "s", jobs.SPEC)
    list(execute(jobs.toys, range(3), store=store))
    results = list(execute(jobs.fails_on_3, range(3, 6), store=store, numbers=[3, 4, 5], retries=0))
    assert results[0] == Failed(3, "ZeroDivisionError: of course", 1)
    assert store.indices() == (0, 1, 2, 4, 5)
    assert equal(list(execute(jobs.toys, range(6), store=store)), EXPECTED[:6])


def test_what_does_not_fit_is_replaced(tmp_path):
    store = ChunkStore(tmp_path / "s", jobs.SPEC)
    list(execute(jobs.toys, [1, 0, 2], store=store))

    def fits(job, arrays):
        return same(arrays, plain_arrays(jobs.toys(job)))

    assert equal(list(execute(jobs.toys, range(3), store=store, fits=fits)), EXPECTED[:3])
    assert equal(list(execute(jobs.refuses, range(3), store=store)), EXPECTED[:3])


def test_a_damaged_chunk_is_computed_again_and_named(tmp_path):
    store = ChunkStore(tmp_path / "s", jobs.SPEC)
    list(execute(jobs.toys, range(12), store=store))
    for index in (2, 7):
        store.path(index).write_bytes(store.path(index).read_bytes()[:-40])
    assert equal(list(execute(jobs.toys, range(12), store=store)))
    assert ["00000002.npz" in store.notes[0].place, len(store.notes)] == [True, 2]
    again = ChunkStore(tmp_path / "s", jobs.SPEC)
    assert equal(list(execute(jobs.refuses, range(12), store=again))) and again.notes == []


def test_a_full_disk_keeps_what_is_there_and_a_resume_goes_on(tmp_path, monkeypatch):
    store = ChunkStore(tmp_path / "s", jobs.SPEC)
    room, write = [200_000], os.write

    def limited(descriptor, data):
        if len(data) > room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room[0] -= len(data)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", limited)
    with pytest.raises(InputError, match=r"No space left on device, 8\d,\d{3} bytes are needed"):
        list(execute(jobs.toys, range(12), store=store))
    monkeypatch.undo()
    assert store.indices() == (0, 1)
    assert equal(list(execute(jobs.toys, range(12), store=store))) and store.notes == []


# ---- streaming, progress, interruption


def test_results_stream_and_few_are_ahead(two):
    begun = []

    class Jobs(list):
        def __getitem__(self, index):
            begun.append(index)
            return super().__getitem__(index)

    results = execute(jobs.toys, Jobs(range(1000)), workers=two)
    for _, _expected in zip(results, EXPECTED):
        assert len(begun) < 40
    results.close()
    begun.clear()
    results = execute(jobs.toys, Jobs(range(1000)))
    next(results)
    assert begun == [0]
    results.close()


@pytest.mark.parametrize("workers", [1, "two"])
def test_progress_counts_every_job(workers, two, tmp_path):
    calls = []
    options = {
        "workers": two if workers == "two" else 1,
        "store": ChunkStore(tmp_path / "s", jobs.SPEC),
        "progress": lambda done, total: calls.append((done, total)),
    }
    for _ in range(2):
        list(execute(jobs.fails_on_3, range(6), **options))
        assert calls == [(done, 6) for done in range(7)]
        calls.clear()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_of_the_caller_stops_the_workers(workers):
    with pytest.raises(ZeroDivisionError):
        for _ in execute(jobs.process, range(100), workers=workers):
            _ = 1 / 0


INTERRUPTED = """
import signal
import sys

signal.signal(signal.SIGINT, signal.default_int_handler)  # tests may run where it is ignored
from tests.execute.jobs import SPEC, slow_toys
from neyman.execute import execute
from neyman.io.chunks import ChunkStore

if __name__ == "__main__":
    store = ChunkStore(sys.argv[1], SPEC)
    try:
        for _ in execute(slow_toys, range(10_000), workers=int(sys.argv[2]), store=store):
            print("go", flush=True)
    except KeyboardInterrupt:
        import psutil
        names = [p.cmdline() for p in psutil.Process().children()]
        assert not any("spawn_main" in str(name) for name in names), names
        sys.exit(130)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_keeps_what_is_stored(tmp_path, workers):
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED)
    root = pathlib.Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "s"), str(workers)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # so a Ctrl-C can go to the whole group, as of a terminal
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        for _ in range(6):
            process.stdout.readline()
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, b"")
    assert gone(children, 5)
    store = ChunkStore(tmp_path / "s", jobs.SPEC)
    found = store.indices()
    assert len(found) >= 5
    assert equal([store.load(i) for i in found[:12]], EXPECTED[: len(found)][:12])


def test_a_worker_takes_the_programs_it_started_along(tmp_path):
    marker = tmp_path / "pid"
    results = list(execute(jobs.starts_a_program, [str(marker)], timeout=1.0, retries=0))
    assert results[0].reason == "took longer than 1 seconds"
    pid = int(marker.read_text())
    assert not psutil.pid_exists(pid) or gone([psutil.Process(pid)], 5)


def test_an_unguarded_script_is_told_so(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from tests.execute.jobs import toys\nfrom neyman.execute import execute\n"
        "list(execute(toys, range(3), workers=2))\n"
    )
    root = pathlib.Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert b"a script needs if __name__ == '__main__'" in done.stderr.splitlines()[-1]


def test_numbers_do_not_depend_on_the_layout():
    first = plain_arrays({"a": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "b": 1.5})
    assert first["a"].flags.c_contiguous and first["b"].shape == ()
