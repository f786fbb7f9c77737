"""Runs on disk: every line counts, half a line does not, and nothing of another recipe is mixed in."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mupfx.core.report import Size
from mupfx.core.transfer import Recipe, Run, Trial
from mupfx.errors import MupfxError
from mupfx.pipeline.transfer.store import FILE, opened

RECIPE = Recipe("gpt", Size(64), source="abc", arguments={"batch": 8}, steps=10)


def run(width: int = 64, lr: float = 2**-7, loss: float | None = 1.5) -> Run:
    return Run(Trial("mup", Size(width), 0, lr), loss, 5.5, 10, 1.25)


def kept(folder: Path, recipe: Recipe = RECIPE) -> dict[Trial, Run]:
    with opened(folder, recipe) as store:
        return dict(store.runs)


def filled(folder: Path, *runs: Run) -> Path:
    with opened(folder, RECIPE) as store:
        for each in runs:
            store.add(each)
    return folder / FILE


def test_what_is_added_is_there_the_next_time(tmp_path: Path) -> None:
    runs = [run(), run(128), run(lr=2**-6.5, loss=None)]
    filled(tmp_path, *runs)
    assert kept(tmp_path) == {each.trial: each for each in runs}


@given(
    lr=st.floats(1e-9, 10),
    loss=st.one_of(st.none(), st.floats(-1e9, 1e9)),
    width=st.one_of(st.none(), st.integers(1, 10**6)),
    depth=st.one_of(st.none(), st.integers(1, 99)),
)
def test_a_line_is_a_run(
    lr: float, loss: float | None, width: int | None, depth: int | None
) -> None:
    there = Run(Trial("meta(0.5)", Size(width, depth), 3, lr), loss, None, 7, 0.5)
    assert Run.from_dict(json.loads(json.dumps(there.to_dict()))) == there


def test_every_line_is_on_disk_at_once(tmp_path: Path) -> None:
    with opened(tmp_path, RECIPE) as store:
        for count in (1, 2, 3):
            store.add(run(64 * count))
            assert len((tmp_path / FILE).read_text().splitlines()) == count + 1


@pytest.mark.parametrize("left", range(1, 60, 7))
def test_half_a_line_is_cut_off(tmp_path: Path, left: int) -> None:
    path = filled(tmp_path, run(64), run(128))
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    path.write_bytes(whole[: -len(last) + left])
    assert list(kept(tmp_path)) == [run(64).trial]
    filled(tmp_path, run(128))
    assert path.read_bytes() == whole


def test_half_a_header_is_begun_again(tmp_path: Path) -> None:
    path = filled(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    assert kept(tmp_path) == {}
    assert path.read_bytes() == whole


OTHER: dict[str, dict[str, Any]] = {
    "steps": {"steps": 11},
    "arguments": {"arguments": {"batch": 16}},
    "base": {"base": Size(32)},
    "source": {"source": "xyz"},
    "hyperparameters": {"hyperparameters": {"weight_decay": 0.0}},
}


@pytest.mark.parametrize("name", OTHER)
def test_other_settings_are_refused(tmp_path: Path, name: str) -> None:
    path = filled(tmp_path, run())
    before = path.read_bytes()
    with pytest.raises(MupfxError, match=f"expected: {name}=.*") as error:
        kept(tmp_path, replace(RECIPE, **OTHER[name]))
    assert "made with other settings" in str(error.value)
    assert path.read_bytes() == before


def test_a_line_that_is_no_run_is_named(tmp_path: Path) -> None:
    path = filled(tmp_path, run())
    path.write_text(path.read_text() + "not a run\n" + json.dumps(run(128).to_dict()) + "\n")
    with pytest.raises(MupfxError, match="line 3"):
        kept(tmp_path)


@pytest.mark.parametrize("line", ["[]", "{}", '{"mupfx transfer": 99}', "5"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / FILE).write_text(line + "\n")
    with pytest.raises(MupfxError, match="cannot be read"):
        kept(tmp_path)


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with (
        opened(tmp_path, RECIPE),
        pytest.raises(MupfxError, match="another sweep is writing"),
        opened(tmp_path, RECIPE),
    ):
        pass
    assert kept(tmp_path) == {}


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MupfxError, match="cannot be written"):
        kept(tmp_path / "file" / "folder")
