# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes initramfs archives: cpio "newc" as Documentation/driver-api/early-userspace/buffer-format.rst says.

Members are given as {path: content}; content is bytes, a host path, a Link or a Node.
"""

import gzip
import os
import pathlib
import stat
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    target: str


@dataclass(frozen=True)
class Node:
    major: int
    minor: int


def _entry(ino, name, mode, data=b"", dev=(0, 0)):
    raw = name.encode() + b"\0"
    fields = (ino, mode, 0, 0, 1, 0, len(data), 0, 0, *dev, len(raw), 0)
    head = b"070701" + b"".join(b"%08X" % f for f in fields) + raw
    return b"".join((head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)))


def _members(files):
    """Every file, with a directory entry before the first file in it."""
    seen = set()
    for path, content in files.items():
        parts = path.strip("/").split("/")
        for n in range(1, len(parts)):
            parent = "/".join(parts[:n])
            if parent not in seen:
                seen.add(parent)
                yield parent, stat.S_IFDIR | 0o755, b"", (0, 0)
        name = "/".join(parts)
        if isinstance(content, Link):
            yield name, stat.S_IFLNK | 0o777, content.target.encode(), (0, 0)
        elif isinstance(content, Node):
            yield name, stat.S_IFCHR | 0o600, b"", (content.major, content.minor)
        elif isinstance(content, bytes):
            yield name, stat.S_IFREG | (0o755 if content.startswith(b"#!") else 0o644), content, (0, 0)
        else:
            mode = os.stat(content).st_mode & 0o777
            yield name, stat.S_IFREG | mode, pathlib.Path(content).read_bytes(), (0, 0)


def archive(files):
    """The archive as bytes, uncompressed."""
    out = [_entry(n, *member) for n, member in enumerate(_members(files), 1)]
    out.append(_entry(0, "TRAILER!!!", 0))
    return b"".join(out)


def compress(data, how):
    """how: None, "gzip", or the name of any compressor command that works as a filter (zstd, xz, ...)."""
    if how is None:
        return data
    if how == "gzip":
        return gzip.compress(data, 1, mtime=0)
    args = [how, "-c"] + (["--check=crc32"] if how == "xz" else ["-l"] if how == "lz4" else [])
    return subprocess.run(args, input=data, stdout=subprocess.PIPE, check=True).stdout
