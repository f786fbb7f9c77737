"""Modules of this package as statements: what each defines, and which others it refers to.

``kernels/eager.py`` is the pieces ``MASK``, ``GROUPS``, ``fill``, ...; in ``fill``, ``Segment``
refers to ``("mupfx.kernels.segment", "Segment")``, and ``spec.UNIT`` to ``("...spec", "UNIT")``.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import decode_source, find_spec
from pathlib import Path
from typing import Any

PACKAGE = "mupfx"
Name = tuple[str, str]
"""A module, and a name in it."""
Import = ast.Import | ast.ImportFrom
Definition = ast.FunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Piece:
    """A statement of a module."""

    module: "Module"
    node: ast.stmt
    end: int
    """Its last line, or that of the string which explains it."""

    @property
    def is_definition(self) -> bool:
        """Whether it is a function or a class."""
        return isinstance(self.node, Definition)

    @property
    def start(self) -> int:
        """Its first line."""
        decorators: list[ast.expr] = getattr(self.node, "decorator_list", [])
        return min([self.node.lineno, *(d.lineno for d in decorators)])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What it defines."""
        if isinstance(self.node, Definition):
            return (self.node.name,)
        targets = getattr(self.node, "targets", None) or [getattr(self.node, "target", None)]
        return tuple(n.id for target in targets if target for n in _names(target))

    @cached_property
    def _bound(self) -> frozenset[str]:
        """Its arguments and variables, which are nobody else's."""
        arguments = {n.arg for n in ast.walk(self.node) if isinstance(n, ast.arg)}
        stored = {n.id for n in _names(self.node) if isinstance(n.ctx, ast.Store)}
        return frozenset(arguments | stored - set(self.names))

    def uses(self) -> Iterator[tuple[ast.expr, Name]]:
        """Where it refers to a name of a module of this package, and to which."""
        taken: set[int] = set()
        for node in ast.walk(self.node):  # an attribute before the name that it is of
            meant = None if id(node) in taken else self._meant(node)
            if meant is not None and isinstance(node, ast.Attribute | ast.Name):
                taken.add(id(getattr(node, "value", None)))
                yield node, meant

    def outside(self) -> Iterator[str]:
        """Names that it takes from other packages."""
        found = (n.id for n in _names(self.node) if n.id not in self._bound)
        return (name for name in found if name in self.module.imports)

    def _meant(self, node: ast.AST) -> Name | None:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = self.module.modules.get(node.value.id)
            bound = node.value.id in self._bound
            return None if module is None or bound else (module, node.attr)
        if isinstance(node, ast.Name) and node.id not in self._bound:
            return self.module.own.get(node.id)
        return None


class Module:
    """A module of this package."""

    def __init__(self, name: str, replaced: Mapping[str, str]) -> None:
        """Read it.

        Args:
            name: With that of its package.
            replaced: Other text for definitions in it; under no name, what it says of itself.
        """
        self.name = name
        self.text = _spliced(source(name), replaced)
        tree = ast.parse(self.text)
        self.title = replaced.get("", ast.get_docstring(tree) or "")
        self.pieces = tuple(self._pieces(tree.body))
        self.modules: dict[str, str] = {}
        """Modules of this package, by the names that they have here."""
        self.own: dict[str, Name] = {own: (name, own) for p in self.pieces for own in p.names}
        self.imports: dict[str, Import] = {}
        """Statements that import from other packages, by the name that they make."""
        for node in (node for node in tree.body if isinstance(node, Import)):
            for alias in node.names:
                self._learn(node, alias)

    def _learn(self, node: Import, alias: ast.alias) -> None:
        name = alias.asname or alias.name
        if not isinstance(node, ast.ImportFrom):
            self.imports[name] = ast.Import([alias])
        elif not str(node.module).startswith(f"{PACKAGE}."):
            self.imports[name] = ast.ImportFrom(node.module, [alias], 0)
        elif is_package(str(node.module)):
            self.modules[name] = f"{node.module}.{alias.name}"
        else:
            self.own[name] = (str(node.module), alias.name)

    def _pieces(self, body: list[ast.stmt]) -> Iterator[Piece]:
        for node, end in explained(body):
            if not isinstance(node, Import) and not _is_text(node):
                yield Piece(self, node, end)


def explained(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, int]]:
    """Statements, each with its last line or that of the string after it."""
    for node, after in zip(body, [*body[1:], ast.Pass()], strict=True):
        end = after.end_lineno if _is_text(after) else node.end_lineno
        yield node, end or 0


def _spliced(text: str, replaced: Mapping[str, str]) -> str:
    """Other text in place of definitions, all of which are there."""
    lines, left = text.splitlines(), {name for name in replaced if name}
    for node, end in reversed(list(explained(ast.parse(text).body))):
        (target,) = getattr(node, "targets", None) or [getattr(node, "target", None)]
        name = getattr(node, "name", "") or getattr(target, "id", "")
        if name and name in replaced:
            lines[node.lineno - 1 : end] = replaced[name].splitlines()
            left.discard(name)
    if left:
        raise LookupError(f"no definitions of {sorted(left)}")
    return "\n".join(lines) + "\n"


def source(name: str) -> str:
    """The text of a module, which need not be imported for it."""
    spec = find_spec(name)
    loader: Any = getattr(spec, "loader", None)
    if spec is not None and not hasattr(loader, "get_source"):  # pytest's, which rewrites asserts
        return decode_source(Path(str(spec.origin)).read_bytes())
    return str(loader.get_source(name))


@cache
def is_package(name: str) -> bool:
    """Whether modules are in it, rather than names."""
    return getattr(find_spec(name), "submodule_search_locations", None) is not None


def _names(node: ast.AST) -> Iterator[ast.Name]:
    return (inner for inner in ast.walk(node) if isinstance(inner, ast.Name))


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
