# SPDX-License-Identifier: GPL-2.0-or-later
"""The makers of dumps: seeds are what their descriptions say, and other readers understand them."""
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "fixtures/dumps"))
import makedump as make  # noqa: E402

DESCRIPTIONS = sorted((TESTS / "fixtures/dumps").glob("*.dump"))
CORPUS = TESTS / "fuzz/corpus"


def seed(name):
    """The committed bytes; those of flattened files lack their first header, which a fuzzer need not find."""
    for folder in ("vmcore-elf", "vmcore-kdump", "flat"):
        path = CORPUS / folder / name
        if path.exists():
            return (make.flatten(b"", make.SEGMENT)[:4096] if folder == "flat" else b"") + path.read_bytes()
    raise FileNotFoundError(name)


@pytest.mark.parametrize("path", DESCRIPTIONS, ids=lambda p: p.stem)
def test_seed_is_what_its_description_makes(path):
    files = make.make_all(path)
    for number, data in enumerate(files, 1):
        name = path.stem if len(files) == 1 else f"{path.stem}.{number}"
        assert data == seed(name), f"{name} is out of date: makedump.py OUTDIR {path.name}"


@pytest.mark.parametrize("name", ["elf", "elf-big", "elf-qemu", "kdump", "kdump-v3", "kdump-v4", "kdump-v5", "kdump-big",
                                  "kdump-i386"])
def test_libkdumpfile_reads_the_same(name, tmp_path):
    """An independent reader agrees with what the makers write."""
    kdumpfile = pytest.importorskip("kdumpfile", reason="python3-libkdumpfile is not installed")
    description = next(p for p in DESCRIPTIONS if p.stem == name)
    path, = make.write(description, tmp_path)
    d = make.Description(description.read_text().splitlines())
    dump = kdumpfile.kdumpfile(file=str(path))
    size = d.number("page")
    for pfn, codec, same in d.pages:
        if codec in ("exclude", "lost"):
            with pytest.raises(kdumpfile.exceptions.KDumpBaseException):
                dump.read(kdumpfile.KDUMP_MACHPHYSADDR, pfn * size, size)
            continue
        want = bytes(size) if codec == "zero" else bytes([same]) * size if same is not None else make.page_bytes(pfn, size)
        assert dump.read(kdumpfile.KDUMP_MACHPHYSADDR, pfn * size, size) == want, hex(pfn)
    for phys, have, *rest in d.loads:
        have = rest[1] if len(rest) > 1 else have
        assert dump.read(kdumpfile.KDUMP_MACHPHYSADDR, phys, have) == make.memory(phys, have), hex(phys)


@pytest.mark.parametrize("statement, problem", [("format elf\npaging 3", "unknown statement paging"),
                                                ("format kdump\npages 1 2 brotli", "unknown codec brotli")])
def test_a_wrong_description_names_its_line(tmp_path, statement, problem):
    path = tmp_path / "wrong.dump"
    path.write_text(statement + "\n")
    with pytest.raises(SystemExit) as raised:
        make.make_all(path)
    assert problem in str(raised.value) and "wrong.dump:2:" in str(raised.value)
