"""Archives: plain files come out as they went in; links, devices, paths and bombs do not."""

import gzip
import io
import json
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neyman.io import archive
from neyman.io.bounded import MB
from neyman.status import InputError


def tar_of(*entries, form=tarfile.PAX_FORMAT):
    """A tar of (name, content) or (name, content, {TarInfo attribute: value})."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, content, *attributes in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in (attributes[0] if attributes else {}).items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def written(tmp_path, data):
    path = tmp_path / "f.tar"
    path.write_bytes(data)
    return path


FILES = {"RegionA/BkgOnly.json": b"{}", "b" * 150: b"long name", "\u00e9": bytes(2000), "e": b""}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_round_trip(tmp_path, form, pack):
    files = {name: data for name, data in FILES.items() if form != 0 or len(name) < 100}
    folder = ("RegionA", b"", {"type": tarfile.DIRTYPE})
    path = written(tmp_path, pack(tar_of(folder, *files.items(), form=form)))
    assert archive.read_archive(path) == files
    assert archive.members(path) == tuple(files)
    assert archive.read_member(path, "RegionA/BkgOnly.json") == b"{}"


def test_dot_slash_is_no_part_of_a_name(tmp_path):
    path = written(tmp_path, tar_of((".", b"", {"type": tarfile.DIRTYPE}), ("./a/b", b"x")))
    assert archive.read_archive(path) == {"a/b": b"x"}


def test_a_gz_that_is_no_tar_has_one_member(tmp_path):
    path = tmp_path / "ws.json.gz"
    path.write_bytes(gzip.compress(b"{}"))
    assert archive.read_archive(path) == {"ws.json": b"{}"}


def test_an_unknown_member_lists_near_names(tmp_path):
    path = written(tmp_path, tar_of(*FILES.items()))
    with pytest.raises(
        InputError, match=r"'RegionA/bkg.json' among its 4; choose e.g. RegionA/Bkg"
    ):
        archive.read_member(path, "RegionA/bkg.json")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (("a", b"", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}), "is a link"),
        (("a", b"", {"type": tarfile.LNKTYPE, "linkname": "ok"}), "is a link"),
        (("a", b"", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5}), "is a device"),
        (("a", b"", {"type": tarfile.BLKTYPE}), "is a device"),
        (("a", b"", {"type": tarfile.FIFOTYPE}), "is a device"),
        (("a", bytes(512), {"type": tarfile.GNUTYPE_SPARSE}), "sparse|damaged"),
        (("a", b"", {"pax_headers": {"GNU.sparse.map": "0,1", "GNU.sparse.size": "9" * 15}}),
         "sparse"),
        (("/etc/passwd", b"x"), "leads out"),
        (("../../x", b"x"), "leads out"),
        (("a/../../x", b"x"), "leads out"),
        (("..", b"", {"type": tarfile.DIRTYPE}), "leads out"),
        (("..\\x", b"x"), "leads out"),
        (("C:\\x", b"x"), "leads out"),
        (("ok", b"y"), "two members 'ok'"),
        (("./ok", b"y"), "two members 'ok'"),
        (("a\nb\x1b", b"", {"type": tarfile.SYMTYPE}), "is a link"),
        (("a", b"x", {"pax_headers": {"size": "-512"}}), "overlaps|damaged"),
        (("a", b"x", {"pax_headers": {"size": "9" * 30}}), "too early|damaged"),
        (("a", b"x", {"pax_headers": {"size": "x"}}), "too early|damaged|overlaps"),
    ],
)  # fmt: skip
def test_hostile_members_refuse_the_archive(tmp_path, entry, problem):
    path = written(tmp_path, tar_of(("ok", b"x"), entry, ("z", b"x")))
    try:
        assert archive.read_archive(path) == {"ok": b"x", "a": b"x", "z": b"x"}
        assert "pax_headers" in entry[2]  # the writer put a header of its own first
    except InputError as error:
        assert any(p in str(error) for p in problem.split("|"))
        assert "\n" not in str(error) and "\x1b" not in str(error)


def test_too_many_members(tmp_path):
    path = written(tmp_path, tar_of(*((str(i), b"") for i in range(10_001))))
    with pytest.raises(InputError, match="more than 10,000 members"):
        archive.read_archive(path)


def test_a_bomb(tmp_path):
    path = tmp_path / "bomb.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        info = tarfile.TarInfo("zeros")
        info.size = 64 * MB
        tar.addfile(info, io.BytesIO(bytes(64 * MB)))
    with pytest.raises(InputError, match="unpacks to more than"):
        archive.read_archive(path)


def header(name, size, kind=b"0"):
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def checksum(block):
    """The sum of a header's bytes, its own field read as blanks."""
    return sum(block) - sum(block[148:156]) + 8 * ord(" ")


def test_a_size_beyond_the_file(tmp_path):
    path = written(tmp_path, header("a", 2**40) + bytes(10240))
    with pytest.raises(InputError):
        archive.read_archive(path)


def test_a_negative_size_does_not_loop(tmp_path):
    block = bytearray(header("a", 0))
    block[124:136] = b"\xff" * 10 + b"\xfe\x00"  # -512, so the next header is this one
    block[148:156] = b"%06o\0 " % checksum(block)
    path = written(tmp_path, header("b", 0) + bytes(block) + bytes(10240))
    with pytest.raises(InputError, match=r"overlaps|damaged"):
        archive.read_archive(path)


def test_headers_of_headers_do_not_recurse(tmp_path):
    path = written(tmp_path, (header("a", 1, b"L") + bytes(512)) * 5000 + bytes(1024))
    with pytest.raises(InputError, match="damaged"):
        archive.read_archive(path)


@pytest.mark.parametrize("data", [b"", b"x", b"PK\x03\x04", bytes(10_000)])
def test_other_files(tmp_path, data):
    with pytest.raises(InputError, match="neither a tar nor a gzip"):
        archive.read_archive(written(tmp_path, data))


def test_a_tar_cut_anywhere_is_refused(tmp_path):
    data = tar_of(*FILES.items())
    end = len(data.rstrip(b"\0")) + 2 * 512  # the last file is empty: its header, the end
    for size in [*range(0, end // 512 * 512, 512), 100, 700, 1000]:
        with pytest.raises(InputError):
            archive.read_archive(written(tmp_path, data[:size]))


@given(st.data())
@settings(max_examples=300)
def test_mutations_are_read_or_refused(tmp_path_factory, data):
    form = data.draw(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    content = bytearray(tar_of(*FILES.items(), form=form))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, 1024) | st.integers(0, len(content)))
        piece = data.draw(st.binary(max_size=12))
        content[start : start + len(piece)] = piece
        block = start // 512 * 512  # mend the sum, so that the change is believed
        if data.draw(st.booleans()) and block + 512 <= len(content):
            total = checksum(content[block : block + 512])
            content[block + 148 : block + 156] = b"%06o\0 " % total
    path = tmp_path_factory.getbasetemp() / "mutant.tar"
    path.write_bytes(bytes(content))
    try:
        files = archive.read_archive(path)
        assert sum(map(len, files.values())) <= len(content)
    except InputError as error:
        assert "\n" not in str(error)


def test_the_real_archive(histfactory):
    files = archive.read_archive(histfactory / "sbottom_multib_regions_A_B.tar.gz")
    assert len(files) == 438  # two backgrounds, 217 + 218 patches, a README
    assert json.loads(files["RegionA/BkgOnly.json"])["channels"]
