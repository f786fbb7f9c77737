"""Print what becomes of converted models that are copied, compiled, adapted, quantised and so on.

``python tools/survival.py`` needs peft and torchao; it fails where a change would go unnoticed.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.survival.rows import EVERY, SILENT, SUBJECTS, outcome


def main() -> int:
    """The table; the number of silent changes."""
    silent = 0
    print(f"{'':48}" + "".join(f"{name:22}" for name in SUBJECTS))
    notes = []
    for row in EVERY:
        cells = []
        for name in SUBJECTS:
            verdict, detail = outcome(row, name)
            silent += verdict == SILENT
            cells.append(f"{verdict} {detail}" if verdict in ("same", SILENT) else verdict)
            notes += [] if verdict == "same" else [f"{row}, {name}: {verdict}: {detail}"]
        print(f"{row:48}" + "".join(f"{cell:22}" for cell in cells), flush=True)
    print("\n".join(notes))
    return silent


if __name__ == "__main__":
    sys.exit(main())
