"""What the command line refuses: status, stream, and the words."""

from pathlib import Path

import pytest
from inline_snapshot import snapshot

from tests.cli.terminal import MLP, MODELS, refused, run

BARE = f"{MODELS}:bare"
ERRORS = snapshot(
    {
        "inspect nonsense": """\
TargetError: `nonsense` is no target
  expected: `package.module:callable`, `path/file.py:callable`, `hf:config.json` or `timm:name`
""",
        "inspect tests.cli.models:mlp --arg depht=1": """\
TargetError: `tests.cli.models:mlp` cannot be called so: got an unexpected keyword argument 'depht'
  expected: mlp(width: int = 8, depth: int = 2) -> tuple[torch.nn.modules.module.Module, tuple[torch.Tensor]]
  hint: give each argument as --arg name=value
""",
        "inspect tests.cli.models:mlp --arg depth": """\
TargetError: `depth` is no argument
  expected: name=value
""",
        "inspect tests.cli.models:mlp --input float32[4,3]": "TargetError: `tests.cli.models:mlp` returns its own inputs, and --input is given too\n",
        "inspect tests.cli.models:bare": """\
TargetError: no inputs to run `tests.cli.models:bare` with
  hint: --input 'int64[2,16]<100', or return (model, args) from the target
""",
        "inspect tests.cli.models:bare --input float[4,3]": """\
TargetError: `float` is no dtype
  where: float[4,3]
  expected: bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128
""",
        "inspect tests.cli.models:mlp --base base.json": """\
TargetError: `base.json` is no base
  expected: a width, class=size, a target, or a base file that exists
""",
        "inspect tests.cli.models:mlp --base 4 --base-arg width=4": "TargetError: the base is given twice, by --base and by --base-arg\n",
        "inspect tests.cli.models:mlp --base width=four": """\
TargetError: `width=four` is no size
  expected: name=number
""",
        "inspect tests.cli.models:mlp --base 4 --base-depth deep": """\
TargetError: `deep` is no depth
  expected: a number, or stream=number
""",
        "inspect tests.cli.models:mlp --override width": """\
TargetError: `width=` is not understood
  expected: class=width or class=finite
""",
        "inspect tests.cli.models:mlp --override width=huge": """\
TargetError: `width=huge` is not understood
  expected: class=width or class=finite
""",
    }
)


@pytest.mark.parametrize(
    "words",
    [
        ("inspect", "nonsense"),
        ("inspect", MLP, "--arg", "depht=1"),
        ("inspect", MLP, "--arg", "depth"),
        ("inspect", MLP, "--input", "float32[4,3]"),
        ("inspect", BARE),
        ("inspect", BARE, "--input", "float[4,3]"),
        ("inspect", MLP, "--base", "base.json"),
        ("inspect", MLP, "--base", "4", "--base-arg", "width=4"),
        ("inspect", MLP, "--base", "width=four"),
        ("inspect", MLP, "--base", "4", "--base-depth", "deep"),
        ("inspect", MLP, "--override", "width"),
        ("inspect", MLP, "--override", "width=huge"),
    ],
)
def test_usage(words: tuple[str, ...]) -> None:
    assert refused(*words, code=3) == ERRORS[" ".join(words)]


@pytest.mark.parametrize(
    "words",
    [
        ("inspect",),
        ("inspect", MLP, "--nonsense"),
        ("inspect", MLP, "--grow", "sideways"),
        ("inspect", MLP, "--dump-after", "lunch"),
        ("nonsense",),
        ("convert", MLP, "--base", "4"),
    ],
)
def test_wrong_options_are_usage_too(words: tuple[str, ...]) -> None:
    assert "Usage: " in refused(*words, code=3)


def test_a_model_that_does_not_fit_its_input() -> None:
    text = refused("inspect", BARE, "--input", "float32[4,5]", code=1)
    assert text.startswith("CaptureError: ")
    assert "Traceback" not in text


def test_own_exceptions_keep_their_traceback(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def build():\n    raise ZeroDivisionError('mine')\n")
    result = run("inspect", f"{path}:build")
    assert result.exit_code == 1
    assert isinstance(result.exception, ZeroDivisionError)


@pytest.mark.parametrize("words", [("--help",), ("inspect", "--help"), ("demo", "--help")])
def test_help(words: tuple[str, ...]) -> None:
    result = run(*words)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Usage: " in result.stdout


def test_help_names_what_there_is() -> None:
    text = run("--help").stdout
    commands = text.partition("Commands")[2]
    assert {
        line.split()[1]
        for line in commands.splitlines()
        if line.startswith("│ ") and line[2] != " "
    } == {
        "inspect",
        "convert",
        "export",
        "emit",
        "explain",
        "demo",
        "check",
        "diff",
        "observe",
        "transfer",
        "report",
        "plot",
    }
