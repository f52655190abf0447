"""Arguments that are files: of a `data:…;base64,` URL the agent makes a file, and the script gets its path."""

from __future__ import annotations

import base64
import contextlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

_DATA_URL = re.compile(r"data:[^,]*;base64,")


@contextlib.contextmanager
def unpacked(values: Sequence[str], folder: Path) -> Iterator[list[str]]:
    """The values with paths in place of data URLs. The files are below `folder` until the block ends."""
    if not any(map(_DATA_URL.match, values)):
        yield list(values)
        return
    with tempfile.TemporaryDirectory(prefix="files-", dir=folder) as place:
        yield [_unpack(value, Path(place) / f"argument-{number}") for number, value in enumerate(values, 1)]


def _unpack(value: str, file: Path) -> str:
    head = _DATA_URL.match(value)
    if head is None:
        return value
    file.write_bytes(_decoded(value[head.end() :]))
    return str(file)


def _decoded(text: str) -> bytes:
    """Base64 as Node reads it: it skips what is none, takes both alphabets, and misses no padding."""
    plain = re.sub(r"[^A-Za-z0-9+/]", "", text.partition("=")[0].translate(str.maketrans("-_", "+/")))
    if len(plain) % 4 == 1:
        plain = plain[:-1]
    return base64.b64decode(plain + "=" * (-len(plain) % 4))
