"""Run a command line in this process."""

import json
from typing import Any

from typer.testing import CliRunner, Result

from mupfx.cli import app

MODELS = "tests.cli.models"
MLP = f"{MODELS}:mlp"


def run(*words: str) -> Result:
    """What a command line printed and how it ended."""
    return CliRunner().invoke(app, words)


def printed(*words: str) -> str:
    """What a command line that must succeed printed on stdout; nothing may be on stderr."""
    result = run(*words)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def data(*words: str) -> Any:
    """What a command line that must succeed printed as JSON."""
    return json.loads(printed(*words, "--json"))


def refused(*words: str, code: int) -> str:
    """What a command line that must fail printed on stderr; nothing may be on stdout."""
    result = run(*words)
    assert (result.exit_code, result.stdout) == (code, "")
    return result.stderr
