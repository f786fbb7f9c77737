"""All sizes of one axis, read and analysed: what evidence is made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import fx

from mupfx.core.evidence import Values
from mupfx.core.parametrization import Parametrization
from mupfx.core.report import Size
from mupfx.pipeline.checking.analysed import Analysed
from mupfx.pipeline.checking.readings import Reading


@dataclass(frozen=True)
class Subject:
    """All sizes, read and analysed."""

    axis: str
    sizes: tuple[Size, ...]
    table: Parametrization
    readings: tuple[Reading, ...]
    found: tuple[Analysed, ...]

    @cached_property
    def nodes(self) -> Mapping[str, fx.Node]:
        """Of the largest size's graph, in its order."""
        return {node.name: node for node in self.last.analysis.program.graph.nodes}

    @cached_property
    def order(self) -> Mapping[str, int]:
        """Which of them each is."""
        return {name: i for i, name in enumerate(self.nodes)}

    @property
    def last(self) -> Analysed:
        """The largest size."""
        return self.found[-1]

    @property
    def ratios(self) -> Values:
        """Every size over the smallest."""
        return (1.0, *(a.ratio for a in self.found))

    def names(self, name: str) -> list[str | None]:
        """What every size calls a parameter of the largest."""
        base = self.last.base_names.get(name)
        return [base, *(_counterpart(a, name, base) for a in self.found)]

    def judged(self, name: str) -> bool:
        """Whether the table says anything of it along this axis."""
        inside = self.last.rows[name].branch is not None
        return self.axis == "width" or self.table.depth is not None or not inside


def _counterpart(found: Analysed, name: str, base: str | None) -> str | None:
    """The same parameter at another size; in another depth one with the same twin."""
    if name in found.rows:
        return name
    return next((mine for mine, theirs in found.base_names.items() if theirs == base), None)
