"""Analyse a corpus of models whose truth is known, and write one table.

    python tools/zoo.py CORPUS --out zoo.jsonl [--only 'hf/*'] [--compare before.jsonl]

CORPUS is a folder with a ``zoo.py`` that has ``names()``, ``build(name, scale, mode)`` returning
``(model, args, kwargs)``, ``truth(name)`` with ``params`` and ``canon``, and
``compare(name, inspected, mode)`` returning ``(parameter, what, found, expected)``, one a miss.

Each model is analysed in a process of its own, alone and beside its narrower self, under a time
limit; a run that was stopped goes on where it was, and one that is done just prints its table.
"""

import argparse
import importlib.util
import json
import multiprocessing
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import mupfx

Record = dict[str, Any]
"""One model: ``{"name": ..., "capture": "export", "alone": {"right": 40, ...}, ...}``."""

KINDS = ("right", "certain", "wrong", "assumed", "unknown")
"""Parameters that are right, those of them that are certain, and those that are not right."""
WAYS = ("alone", "base")


def analyse(corpus: ModuleType, name: str, record: Record) -> None:
    """Note what is found of a model alone, then twice as wide beside itself."""
    truth = corpus.truth(name)
    model, args, kwargs = corpus.build(name)
    start = time.perf_counter()
    found = mupfx.analyze(model, args, kwargs)
    record |= {
        "capture": found.captured.frontend,
        "seconds": round(time.perf_counter() - start, 2),
        "nodes": len(found.captured.graph.nodes),
        "ops without an answer": sorted(set(found.axes.unknown_ops.values())),
        "alone": counted(truth, inspected := found.to_dict(), corpus.compare(name, inspected)),
    }
    grown = truth["canon"]
    wide, wide_args, wide_kwargs = corpus.build(name, 2, grown)
    try:
        beside = mupfx.analyze(wide, wide_args, wide_kwargs, base=model)
    except mupfx.CaptureError:  # inputs as wide as the model: the wide one is read for its shapes
        beside = mupfx.analyze(model, args, kwargs, base=wide)
    inspected = beside.to_dict()
    record["base"] = counted(truth, inspected, corpus.compare(name, inspected, grown))


def counted(
    truth: Mapping[str, Any], inspected: Mapping[str, Any], misses: Sequence[Sequence[Any]]
) -> Record:
    """How many parameters are right, how many of them for certain, and what is wrong."""
    used = [name for name, expected in truth["params"].items() if expected["used"]]
    missed = {name for name, *_ in misses}
    right = [name for name in used if name not in missed]
    sure = sum(inspected["parameters"][name]["status"] == "certain" for name in right)
    kinds = Counter(_kind(str(what)) for _, what, _, _ in misses)
    said = [f"{p}: {what}, {found} for {expected}" for p, what, found, expected in misses]
    counts = {kind: kinds[kind] for kind in KINDS[2:]}
    return {"right": len(right), "certain": sure, **counts, "misses": said}


def _kind(what: str) -> str:
    first = what.partition(" ")[0]
    return first if first in ("assumed", "unknown") else "wrong"


def _work(corpus: ModuleType, name: str, reply: Connection) -> None:
    warnings.simplefilter("ignore")
    record: Record = {"name": name}
    try:
        analyse(corpus, name, record)
    except BaseException as error:  # noqa: BLE001 - any end of a model is a line of the table
        where = traceback.extract_tb(error.__traceback__)[-1]
        said = f"{type(error).__name__}: {error}".replace("\n", " | ")
        record["error"] = f"{said} ({Path(where.filename).name}:{where.lineno})"
    reply.send(record)


class Worker:
    """One model in a process of its own."""

    def __init__(self, corpus: ModuleType, name: str, limit: float) -> None:
        self.name, self.limit, self.start = name, limit, time.monotonic()
        context = multiprocessing.get_context("fork")
        self.reply, theirs = context.Pipe(duplex=False)
        self.process = context.Process(target=_work, args=(corpus, name, theirs))
        self.process.start()
        theirs.close()

    def record(self) -> Record | None:
        """What came of it; None while it runs."""
        if self.reply.poll(0.02):
            return self._received()
        if time.monotonic() - self.start < self.limit:
            return None
        self.process.kill()
        self.process.join()
        return {"name": self.name, "error": f"more than {self.limit:.0f} s"}

    def _received(self) -> Record:
        try:
            record: Record = self.reply.recv()
        except EOFError:
            self.process.join()
            return {"name": self.name, "error": f"exit code {self.process.exitcode}"}
        self.process.join()
        return record


def run(corpus: ModuleType, names: Sequence[str], jobs: int, limit: float) -> Iterator[Record]:
    """Records as they come, ``jobs`` models at a time."""
    waiting, running = list(names), list[Worker]()
    while waiting or running:
        while waiting and len(running) < jobs:
            running.append(Worker(corpus, waiting.pop(0), limit))
        for worker in list(running):
            record = worker.record()
            if record is not None:
                running.remove(worker)
                yield record


def read(path: Path) -> dict[str, Record]:
    """Records of an earlier run, by model."""
    lines = path.read_text().splitlines() if path.is_file() else []
    return {record["name"]: record for record in map(json.loads, lines)}


def load(folder: Path) -> ModuleType:
    """The corpus, and everything slow that its models import, before the first is forked."""
    sys.path.insert(0, str(folder.resolve()))
    corpus = importlib.import_module("zoo")
    if importlib.util.find_spec("transformers"):
        importlib.import_module("transformers")
    torch.set_num_threads(1)
    mupfx.analyze(torch.nn.Linear(2, 2), (torch.ones(1, 2),))
    return corpus


def table(records: Mapping[str, Record], *, rows: str) -> Table:
    """Sums by family (the part of a name before the first slash), or one row a model."""
    made = Table("", "models", "captured", "seconds", "nodes", title=rows)
    for way in WAYS:
        for kind in KINDS:
            made.add_column(f"{way}\n{kind}", justify="right")
    groups: dict[str, list[Record]] = {}
    for name, record in records.items():
        key = name.partition("/")[0] if rows == "families" else name
        groups.setdefault(key, []).append(record)
    if rows == "families":
        groups["all"] = list(records.values())
    for key, group in groups.items():
        made.add_row(key, *_row(group))
    return made


def _row(group: Sequence[Record]) -> list[str]:
    ways = Counter(r["capture"] for r in group if "capture" in r)
    captured = ", ".join(f"{way} {n}" for way, n in ways.most_common()) or "-"
    sums = (sum(r.get(column, 0) for r in group) for column in ("seconds", "nodes"))
    kinds = (sum(r.get(way, {}).get(kind, 0) for r in group) for way in WAYS for kind in KINDS)
    return [str(len(group)), captured, *(f"{s:.0f}" for s in sums), *map(str, kinds)]


def misses(records: Mapping[str, Record]) -> Iterator[str]:
    """A line for every miss and every model without an answer."""
    for name, record in records.items():
        if "error" in record:
            yield f"{name}: {record['error']}"
        for way in WAYS:
            for miss in record.get(way, {}).get("misses", ()):
                yield f"{name}, {way}: {miss}"


def changes(before: Mapping[str, Record], after: Mapping[str, Record]) -> Iterator[str]:
    """Models whose numbers are not what they were."""
    for name in before.keys() & after.keys():
        old, new = _numbers(before[name]), _numbers(after[name])
        for what in old.keys() | new.keys():
            if old.get(what) != new.get(what):
                yield f"{name}: {what} {old.get(what)} -> {new.get(what)}"


def _numbers(record: Record) -> dict[str, object]:
    numbers = {f"{way} {k}": record[way][k] for way in WAYS if way in record for k in KINDS}
    return numbers | {key: record[key] for key in ("capture", "error") if key in record}


def main(argv: Sequence[str]) -> int:
    """Run what is left, then print the table; 1 where a model has no answer or a wrong one."""
    options = _options(argv)
    console = Console(width=None if sys.stdout.isatty() else 200)
    corpus = load(options.corpus)
    chosen = [n for n in corpus.names() if fnmatch(n, options.only)]
    known = {} if options.fresh else read(options.out)
    left = [n for n in chosen if n not in known]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress,
        options.out.open("w" if options.fresh else "a") as out,
    ):
        task = progress.add_task("analysing", total=len(left))
        for record in run(corpus, left, options.jobs, options.limit):
            out.write(json.dumps(record) + "\n")
            out.flush()
            known[record["name"]] = record
            progress.update(task, advance=1, description=record["name"])
    records = {n: known[n] for n in chosen if n in known}
    if options.models:
        console.print(table(records, rows="models"))
    for line in misses(records):
        console.print(line, markup=False, highlight=False)
    console.print(table(records, rows="families"))
    for line in sorted(changes(read(options.compare), records)) if options.compare else ():
        console.print(line, markup=False, highlight=False)
    return int(any("error" in r or _wrong(r) for r in records.values()))


def _wrong(record: Record) -> bool:
    """Of a model with both answers: none is wrong alone, and beside a base all are right."""
    beside = record["base"]
    return bool(record["alone"]["wrong"] or any(beside[kind] for kind in KINDS[2:]))


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/zoo.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("corpus", type=Path, metavar="CORPUS")
    parser.add_argument("--out", type=Path, default=Path("zoo.jsonl"), help="one record a line")
    parser.add_argument("--only", default="*", metavar="GLOB", help="models by name")
    parser.add_argument("--compare", type=Path, metavar="OLD", help="an earlier --out")
    parser.add_argument("--jobs", type=int, default=2, help="models at a time (2)")
    parser.add_argument("--limit", type=float, default=180, help="seconds a model (180)")
    parser.add_argument("--fresh", action="store_true", help="forget what --out holds")
    parser.add_argument("--models", action="store_true", help="also print one row a model")
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
