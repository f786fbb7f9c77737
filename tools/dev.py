"""What a contributor types: ``python tools/dev.py lint type test``.

Each command is a list of programs, run from the repository's root in the current environment; the
first that fails ends the run with its exit code. ``ci`` does everything, in an environment of its
own. What follows ``--`` goes to the last program: ``python tools/dev.py test -- -k axes -x``.
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT / "tools" / "bench"

Program = tuple[str, ...]
PYTHON = sys.executable

COMMANDS: Mapping[str, tuple[Program, ...]] = {
    "fmt": (
        (PYTHON, "-m", "ruff", "check", "--fix", "."),
        (PYTHON, "-m", "ruff", "format", "."),
    ),
    "lint": (
        (PYTHON, "-m", "ruff", "check", "."),
        (PYTHON, "-m", "ruff", "format", "--check", "."),
        (PYTHON, "-m", "codespell_lib", *("mupfx", "passes", "tests", "tools", "README.md")),
        (str(Path(PYTHON).with_name("lint-imports")),),
    ),
    "type": ((PYTHON, "-m", "mypy"),),
    "test": ((PYTHON, "-m", "pytest"),),
    "slow": ((PYTHON, "-m", "pytest", "-m", "slow and not gpu"),),
    "gpu": ((PYTHON, "-m", "pytest", "-m", "gpu"),),
    "bench": tuple((PYTHON, str(path)) for path in sorted(BENCH.glob("[!_]*.py"))),
    "mutants": ((PYTHON, "tools/mutants.py"),),
    "power": ((PYTHON, "tools/power.py"),),
    "size": ((PYTHON, "tools/size.py"),),
    "ci": (("bash", ".ci/run"),),
}


def run(programs: Sequence[Program], extra: Sequence[str]) -> int:
    """Run programs in order; the exit code of the first that fails, else 0."""
    for position, program in enumerate(programs, start=1):
        command = [*program, *(extra if position == len(programs) else ())]
        print("+", " ".join(command).replace(PYTHON, "python"), flush=True)
        if code := subprocess.run(command, cwd=ROOT, check=False).returncode:
            return code
    return 0


def main(argv: Sequence[str]) -> int:
    """Read the command line and run the commands named on it."""
    own, extra = _split(argv)
    parser = argparse.ArgumentParser(
        prog="tools/dev.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("commands", nargs="+", choices=COMMANDS, metavar="|".join(COMMANDS))
    for command in parser.parse_args(own).commands:
        if code := run(COMMANDS[command], extra):
            return code
    return 0


def _split(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    if "--" not in argv:
        return argv, ()
    cut = list(argv).index("--")
    return argv[:cut], argv[cut + 1 :]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
