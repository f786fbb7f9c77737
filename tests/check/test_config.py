"""Configured checks, and where reports go: every mistake has a message."""

from pathlib import Path

import pytest
from inline_snapshot import snapshot

from mupfx.commands.checks_config import KEYS, configured, named
from mupfx.commands.outputs import Outputs, outputs, path_for
from mupfx.errors import TargetError

GOOD = """
[tool.mupfx.checks.gpt]
target = "train.py:make"
widths = [64, 128, 256]
seeds = 2
inputs = "int64[2,16]<100"
control = "train.py:plain"
margin = 0.3
args = { vocabulary = 512 }
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(text)
    return path


def test_a_check_is_read(tmp_path: Path) -> None:
    file, checks = configured(written(tmp_path, GOOD))
    assert file.parent == tmp_path
    assert named(checks, "gpt", file) == snapshot(
        {
            "target": "train.py:make",
            "widths": [64, 128, 256],
            "seeds": 2,
            "inputs": "int64[2,16]<100",
            "control": "train.py:plain",
            "margin": 0.3,
            "args": {"vocabulary": 512},
        }
    )


def test_the_nearest_file_above_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, GOOD)
    inner = tmp_path / "src" / "deep"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert list(configured(None)[1]) == ["gpt"]


def test_a_project_without_checks_has_none(tmp_path: Path) -> None:
    assert configured(written(tmp_path, "[project]\nname = 'x'\n"))[1] == {}


def refused(folder: Path, table: str) -> str:
    with pytest.raises(TargetError) as caught:
        configured(written(folder, table))
    return str(caught.value).replace(str(folder), "FOLDER")


def test_a_key_that_is_misspelt(tmp_path: Path) -> None:
    text = refused(tmp_path, '[tool.mupfx.checks.a]\ntarget = "m:f"\nwdiths = [1]\n')
    assert text == snapshot("""\
a check has no `wdiths`
  where: [tool.mupfx.checks.a]
  hint: did you mean `widths`?\
""")


def test_no_target(tmp_path: Path) -> None:
    assert refused(tmp_path, "[tool.mupfx.checks.a]\nwidths = [1]\n") == snapshot("""\
the check has no `target`
  where: [tool.mupfx.checks.a]
  hint: target = "train.py:make"\
""")


def test_a_check_that_is_no_table(tmp_path: Path) -> None:
    assert refused(tmp_path, '[tool.mupfx.checks]\na = "m:f"\n') == snapshot("""\
`tool.mupfx.checks.a` is no table
  expected: [tool.mupfx.checks.a]\
""")
    assert refused(tmp_path, "[tool.mupfx]\nchecks = 3\n") == snapshot("""\
[tool.mupfx.checks] in `pyproject.toml` holds no checks
  expected: [tool.mupfx.checks.NAME]\
""")


def test_a_file_that_is_no_toml(tmp_path: Path) -> None:
    assert refused(tmp_path, "[tool") == snapshot("""\
`FOLDER/pyproject.toml` is no TOML
  found: Expected ']' at the end of a table declaration (at end of document)\
""")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="cannot read"):
        configured(tmp_path / "none.toml")


WRONG = {
    "target": "3",
    "widths": '"64"',
    "depths": "[true]",
    "seeds": "true",
    "steps": "1.5",
    "parametrization": "[]",
    "inputs": "3",
    "control": "3",
    "fast": '"yes"',
    "full": "1",
    "static": "0",
    "dynamic": "[]",
    "margin": '"a"',
    "width_arg": "3",
    "depth_arg": "true",
    "seed_arg": "[]",
    "args": "[]",
}


@pytest.mark.parametrize("key", KEYS)
def test_every_key_refuses_another_type(tmp_path: Path, key: str) -> None:
    text = refused(tmp_path, f"[tool.mupfx.checks.a]\n{key} = {WRONG[key]}\n")
    assert f"`{key}` is not understood" in text
    assert KEYS[key][0] in text


def test_a_name_that_is_not_there(tmp_path: Path) -> None:
    file, checks = configured(written(tmp_path, GOOD))
    with pytest.raises(TargetError) as caught:
        named(checks, "gpd", file)
    assert str(caught.value) == snapshot("""\
`gpd` is neither a target nor a check of `pyproject.toml`
  expected: `package.module:callable`, `path/file.py:callable`, or a configured name
  found: gpt
  hint: did you mean `gpt`?\
""")


@pytest.mark.parametrize(
    ("formats", "files", "expected"),
    [
        ([], [], Outputs((), "text")),
        (["json"], [], Outputs((), "json")),
        (["junit"], ["r.out"], Outputs((("junit", "r.out"),), "text")),
        ([], ["r.html", "r.sarif"], Outputs((("html", "r.html"), ("sarif", "r.sarif")), "text")),
        (["json", "html"], ["r.html"], Outputs((("html", "r.html"),), "json")),
        (
            ["text", "json"],
            ["r.txt", "r.json"],
            Outputs((("text", "r.txt"), ("json", "r.json")), "text"),
        ),
        (["text", "text"], [], Outputs((), "text")),
    ],
)
def test_formats_and_files(formats: list[str], files: list[str], expected: Outputs) -> None:
    assert outputs(formats, files) == expected


@pytest.mark.parametrize(
    ("formats", "files"),
    [
        (["json", "html"], []),
        (["json", "html"], ["r.out"]),
        ([], ["r.out"]),
        (["json"], ["a.json", "b.json"]),
    ],
)
def test_formats_and_files_that_do_not_go_together(formats: list[str], files: list[str]) -> None:
    with pytest.raises(TargetError):
        outputs(formats, files)


def test_several_checks_need_several_files() -> None:
    assert path_for("r.json", "gpt", 1) == Path("r.json")
    assert path_for("out/{name}.json", "train.py:make", 2) == Path("out/train.py-make.json")
    with pytest.raises(TargetError) as caught:
        path_for("out/r.json", "gpt", 2)
    assert str(caught.value) == snapshot("""\
2 checks would all write `out/r.json`
  hint: --out 'out/r-{name}.json'\
""")
