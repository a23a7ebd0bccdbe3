"""Whatever goes wrong while writing, the old file is whole and nothing is left behind."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neyman.io.store import write_atomic, write_directory
from neyman.status import InputError


@given(st.binary(max_size=1000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_round_trip(tmp_path, data):
    write_atomic(tmp_path / "f", data)
    assert (tmp_path / "f").read_bytes() == data
    assert os.listdir(tmp_path) == ["f"]


def fail(code):
    def call(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    return call


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch, call, code):
    path = tmp_path / "result.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, call, fail(code))
    with pytest.raises(InputError) as caught:
        write_atomic(path, b"new" * 1000)
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["result.json"]
    assert "3,000 bytes are needed" in str(caught.value)
    assert os.strerror(code) in str(caught.value)
    assert ("free some space" in str(caught.value)) == (code == errno.ENOSPC)


def test_a_disk_that_fills_up_on_the_way(tmp_path, monkeypatch):
    room = [5]
    write = os.write

    def limited(descriptor, data):
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = write(descriptor, data[: room[0]])
        room[0] -= count
        return count

    monkeypatch.setattr(os, "write", limited)
    with pytest.raises(InputError, match="No space left on device, 10 bytes are needed"):
        write_atomic(tmp_path / "f", b"0123456789")
    assert os.listdir(tmp_path) == []
    room[0] = 100
    write_atomic(tmp_path / "f", b"0123456789")
    assert (tmp_path / "f").read_bytes() == b"0123456789"


def test_an_interrupt_leaves_the_old_file(tmp_path, monkeypatch):
    def interrupted(descriptor):
        raise KeyboardInterrupt

    (tmp_path / "f").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


WRITER = """
import sys
from neyman.io.store import write_atomic
data = [bytes([65 + i]) * 1_000_000 for i in range(26)]
print("go", flush=True)
while True:
    for piece in data:
        write_atomic(sys.argv[1], piece)
"""


def test_kills_leave_a_whole_file(tmp_path):
    path = tmp_path / "f"
    for delay in (0.02, 0.05, 0.09):
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        if path.exists():
            data = path.read_bytes()
            assert len(data) == 1_000_000 and len(set(data)) == 1


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / "link").symlink_to("f")
    write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "f").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["none/f", "a\0b", "x" * 300, "folder", "loop"])
def test_impossible_places(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError) as caught:
        write_atomic(tmp_path / name, b"x")
    assert "\n" not in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["folder", "loop"]


def fill(path, content):
    with write_directory(path) as folder:
        (folder / "result.json").write_text(content)
        (folder / "plots").mkdir()
        (folder / "plots" / "a.png").write_bytes(b"")


def test_directories_appear_whole_and_replace_earlier_ones(tmp_path):
    path = tmp_path / "out"
    for content in ("1", "2"):
        fill(path, content)
        assert (path / "result.json").read_text() == content
        assert sorted(os.listdir(path)) == ["plots", "result.json"]
        assert os.listdir(tmp_path) == ["out"]


def test_a_block_that_fails_leaves_the_earlier_directory(tmp_path):
    path = tmp_path / "out"
    fill(path, "1")
    with pytest.raises(ZeroDivisionError), write_directory(path) as folder:
        (folder / "result.json").write_text("2")
        _ = 1 / 0
    assert (path / "result.json").read_text() == "1"
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("call", ["mkdir", "fsync", "rename"])
def test_a_full_disk_leaves_the_earlier_directory(tmp_path, monkeypatch, call):
    fill(tmp_path / "out", "1")
    with pytest.raises(InputError, match="No space left"):
        if call == "mkdir":
            monkeypatch.setattr(os, call, fail(errno.ENOSPC))
        with write_directory(tmp_path / "out") as folder:
            (folder / "result.json").write_text("2")
            monkeypatch.setattr(os, call, fail(errno.ENOSPC))
    monkeypatch.undo()
    assert (tmp_path / "out" / "result.json").read_text() == "1"
    assert os.listdir(tmp_path) == ["out"]


def test_a_second_rename_that_fails_puts_the_old_directory_back(tmp_path, monkeypatch):
    fill(tmp_path / "out", "1")
    rename, calls = os.rename, []

    def second_fails(old, new):
        calls.append(old)
        return fail(errno.EIO)() if len(calls) == 2 else rename(old, new)

    monkeypatch.setattr(os, "rename", second_fails)
    with pytest.raises(InputError):
        fill(tmp_path / "out", "2")
    assert (tmp_path / "out" / "result.json").read_text() == "1"
    assert os.listdir(tmp_path) == ["out"]


def test_a_disk_that_fills_up_in_the_block_is_named_but_other_errors_pass(tmp_path):
    with pytest.raises(InputError, match="free some space"), write_directory(tmp_path / "out"):
        fail(errno.ENOSPC)()
    with pytest.raises(OSError, match="refused"), write_directory(tmp_path / "out"):
        fail(errno.ECONNREFUSED)()
    assert os.listdir(tmp_path) == []


def test_folders_of_others_are_not_replaced(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="something else"):
        fill(tmp_path, "1")
    with pytest.raises(InputError, match="is a file"):
        fill(tmp_path / "photo.jpg", "1")
    assert os.listdir(tmp_path) == ["photo.jpg"]
    (tmp_path / "empty").mkdir()
    fill(tmp_path / "empty", "1")
