"""The README holds: its Python blocks run in order, its table of roles is the one in force."""

import re
from pathlib import Path

import pytest

import mupfx
from mupfx.core.vocabulary import Role
from mupfx.demo.gpt import example
from mupfx.tables.mup import MUP
from mupfx.tables.parametrizations import parametrization

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SAMPLE = ROOT / "tests" / "check" / "sample"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = (
    "pip install -c tools/constraints.txt -e . && mupfx demo",
    'pip install -c tools/constraints.txt -e ".[test]" && pytest',
)


def blocks(language: str) -> list[str]:
    """Everything fenced as a language."""
    fence = rf"^```{language}\n(.*?)^```"
    return re.findall(fence, README.read_text(), re.MULTILINE | re.DOTALL)


def test_python_blocks_run() -> None:
    text = README.read_text()
    blocks = list(BLOCK.finditer(text))
    assert blocks
    namespace: dict[str, object] = {}
    for block in blocks:
        lines_above = "\n" * text.count("\n", 0, block.start(1))  # errors name the README's lines
        exec(compile(lines_above + block[1], README, "exec"), namespace)  # noqa: S102


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_written_out(command: str) -> None:
    assert command in README.read_text().splitlines()


@pytest.mark.parametrize("role", Role)
def test_table_of_roles_says_what_the_rules_say(role: Role) -> None:
    rows = [[cell.strip() for cell in row.split("|")] for row in README.read_text().splitlines()]
    (row,) = (row for row in rows if len(row) > 6 and row[1] == role)
    rule = MUP.rules[role]
    powers = (rule.init_std, rule.lr_adam, rule.lr_sgd, rule.gradient)
    assert row[3:7] == [str(power) for power in powers]


def test_the_comparison_is_what_it_prints() -> None:
    printed = mupfx.compare(*example(width=256), base=64, base_depth=2)
    blocks = re.findall(r"^```text\n(.*?)\n```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert printed in blocks


def test_the_table_of_ones_own_is_mup(tmp_path: Path) -> None:
    (block,) = (found for found in blocks("toml") if "[input]" in found)
    path = tmp_path / "own.toml"
    path.write_text(block)
    own = parametrization(path)
    for role, rule in MUP.rules.items():
        found = own.rules[role]
        powers = (found.init_std, found.lr_adam, found.gradient)
        assert powers == (rule.init_std, rule.lr_adam, rule.gradient)
    assert own.tied_readout == MUP.tied_readout


def test_the_check_of_a_repository_is_the_one_that_is_tried() -> None:
    workflow = (SAMPLE / ".github/workflows/mup.yml").read_text()
    assert workflow in blocks("yaml")
    (block,) = (found for found in blocks("toml") if "[tool.mupfx" in found)
    assert block in (SAMPLE / "pyproject.toml").read_text()
