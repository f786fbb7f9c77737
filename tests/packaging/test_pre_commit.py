"""The hook that other repositories name: what pre-commit asks of it, and that its command exists."""

import re
import shlex
from pathlib import Path

from tests.cli.terminal import run

ROOT = Path(__file__).parents[2]
HOOKS = ROOT / ".pre-commit-hooks.yaml"


def hook() -> dict[str, str]:
    """The one hook, as flat text."""
    lines = (re.sub(r"^- |\s+#.*$", "", line).strip() for line in HOOKS.read_text().splitlines())
    pairs = (line.partition(": ") for line in lines)
    return {key: value for key, _, value in pairs}


def test_a_hook_has_what_pre_commit_asks_for() -> None:
    assert {"id", "name", "entry", "language"} <= set(hook())
    assert hook()["pass_filenames"] == "false"


def test_its_command_exists() -> None:
    program, *words = shlex.split(hook()["entry"])
    assert program == "mupfx"
    help_text = run(*words[:1], "--help").stdout
    assert all(option in help_text for option in words[1:])


def test_the_readme_names_it() -> None:
    assert f"- id: {hook()['id']}" in (ROOT / "README.md").read_text()
