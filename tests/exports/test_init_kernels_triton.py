"""The program's own kernel, under Triton's interpreter, where there is no mupfx."""

import os
from pathlib import Path

import triton  # noqa: F401 - the program takes it if it is there

from tests.exports.standalone import SEED, printed, same, wanted, written


def test_its_kernel_gives_the_values_of_torch(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace("def eager_fill(", "def never_called("))
    found = printed(path, "start.pt", "--seed", str(SEED), **os.environ, TRITON_INTERPRET="1")
    assert same(found, wanted())
