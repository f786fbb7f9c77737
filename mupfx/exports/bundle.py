"""Several modules as one text: what entry modules reach of them, each name once.

``eager.fill`` and ``launch.fill`` become ``eager_fill`` and ``launch_fill``; a name that one module
alone has stays. Text is taken from the sources, so the file reads as they do.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import indent

from mupfx.exports.sources import Module, Name, Piece

OPTIONAL = "triton"
"""A package that may be missing; what needs it is then left out when the file runs."""
WIDTH = 100
Part = tuple[Module, Sequence[Piece]]
"""What is needed of a module."""


def bundle(entries: Sequence[str], replaced: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    """Import statements, and everything else.

    Args:
        entries: Modules, all of which is needed, after what they need.
        replaced: Other text for definitions, by module and name; under no name for its heading.
    """
    parts = _Reached(replaced).by(entries)
    titles = _titles(parts)
    sections = [_section(module, pieces, titles) for module, pieces in parts]
    return _imports(piece for _, pieces in parts for piece in pieces), "\n\n\n".join(sections)


class _Reached:
    """Definitions that are needed."""

    def __init__(self, replaced: Mapping[str, Mapping[str, str]]) -> None:
        self.replaced = replaced
        self.modules: dict[str, Module] = {}
        self.needed: dict[str, set[int]] = {}

    def by(self, entries: Sequence[str]) -> list[Part]:
        """By module, modules after those that they need."""
        for entry in entries:
            for piece in self._module(entry).pieces:
                self._need(piece)
        order: dict[str, None] = {}
        for entry in entries:
            self._put(entry, order)
        return [(self.modules[name], self._kept(name)) for name in order if self._kept(name)]

    def _module(self, name: str) -> Module:
        if name not in self.modules:
            self.modules[name] = Module(name, self.replaced.get(name, {}))
            self.needed[name] = set()
        return self.modules[name]

    def _need(self, piece: Piece) -> None:
        needed = self.needed[piece.module.name]
        if id(piece) in needed:
            return
        needed.add(id(piece))
        for _, (module, name) in piece.uses():
            for other in self._module(module).pieces:
                if name in other.names:
                    self._need(other)

    def _kept(self, name: str) -> list[Piece]:
        return [piece for piece in self.modules[name].pieces if id(piece) in self.needed[name]]

    def _put(self, name: str, order: dict[str, None]) -> None:
        used = {module for piece in self._kept(name) for _, (module, _) in piece.uses()}
        for other in self.modules:
            if other in used - {name} and other not in order:
                self._put(other, order)
        order[name] = None


def _titles(parts: Sequence[Part]) -> dict[Name, str]:
    """What every name is called in the file."""
    names = [(m.name, name) for m, pieces in parts for p in pieces for name in p.names]
    common = Counter(name for _, name in names)
    return {(m, n): n if common[n] == 1 else _told_apart(m, n) for m, n in names}


def _told_apart(module: str, name: str) -> str:
    """``_of`` of ``kernels.launch`` is ``_launch_of``.

    >>> _told_apart("kernels.launch", "_of"), _told_apart("kernels.launch", "GROUPS")
    ('_launch_of', 'LAUNCH_GROUPS')
    """
    bare, owner = name.lstrip("_"), module.rpartition(".")[2]
    owner = owner.upper() if bare.isupper() else owner
    return f"{name.removesuffix(bare)}{owner}_{bare}"


def _section(module: Module, pieces: Sequence[Piece], titles: Mapping[Name, str]) -> str:
    owner = module.name.rpartition(".")[2]
    heading = [f"# {'-' * (WIDTH - 3 - len(owner))} {owner}"]
    heading += [f"# {line}".rstrip() for line in module.title.splitlines()]
    body = _spaced(pieces, [_renamed(piece, titles) for piece in pieces])
    if OPTIONAL in module.imports:
        body = f"if {OPTIONAL} is not None:\n{indent(body, '    ')}"
    return "\n".join([*heading, "", body])


def _spaced(pieces: Sequence[Piece], texts: Sequence[str]) -> str:
    """Definitions two lines apart, constants together."""
    found = texts[0]
    for before, piece, text in zip(pieces, pieces[1:], texts[1:], strict=False):
        apart = before.is_definition or piece.is_definition
        found += ("\n\n\n" if apart else "\n") + text
    return found


def _renamed(piece: Piece, titles: Mapping[Name, str]) -> str:
    """The text of a statement, by the names of the file."""
    lines = piece.module.text.splitlines()
    for row, start, end, name in sorted(_changes(piece, titles), reverse=True):
        lines[row - 1] = lines[row - 1][:start] + name + lines[row - 1][end:]
    return _plain("\n".join(lines[piece.start - 1 : piece.end]))


def _changes(piece: Piece, titles: Mapping[Name, str]) -> Iterator[tuple[int, int, int, str]]:
    """Rows, columns, and what is to stand there."""
    lines = piece.module.text.splitlines()
    for node, name in piece.uses():
        title, now = titles.get(name, name[1]), ast.unparse(node)
        if title == now:
            continue
        start, end = node.col_offset, node.end_col_offset or 0
        if lines[node.lineno - 1][start:end] != now:  # inside of an f-string
            raise NotImplementedError(f"{now} at {piece.module.name}:{piece.node.lineno}")
        yield node.lineno, start, end, title
    if isinstance(piece.node, ast.FunctionDef | ast.ClassDef):
        row, own = piece.node.lineno, piece.node.name
        start = lines[row - 1].index(f" {own}") + 1
        yield row, start, start + len(own), titles[piece.module.name, own]


def _plain(text: str) -> str:
    """Without notes to linters, and without examples."""
    text = re.sub(r"\n *>>> (?:.|\n)*?(?=\n *\"\"\")", "", text)
    text = re.sub(r"\n\n+( *\"\"\"\n)", r"\n\1", text)
    return re.sub(r"  # (noqa|type: ignore)\b.*", "", text)


def _imports(pieces: Iterable[Piece]) -> str:
    """Import statements, those of the optional package apart."""
    whole: set[str] = set()
    named: dict[str, set[str]] = {}
    for piece in pieces:
        for node in (piece.module.imports[name] for name in piece.outside()):
            if isinstance(node, ast.ImportFrom):
                named.setdefault(str(node.module), set()).add(ast.unparse(node.names[0]))
            else:
                whole.add(ast.unparse(node))
    lines = sorted(whole) + [f"from {m} import {', '.join(sorted(n))}" for m, n in named.items()]
    optional = [line for line in lines if OPTIONAL in line]
    others = sorted((line for line in lines if line not in optional), key=str.split)
    tried = ["", "try:", *(f"    {line}" for line in optional), "except ImportError:"]
    return "\n".join([*others, *([*tried, f"    {OPTIONAL} = None"] if optional else ())])
