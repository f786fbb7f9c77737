"""A whole check: setups are made, read, trained and dropped; rules judge what was seen."""

from collections.abc import Iterator, Mapping, Sequence

from mupfx.checks import mup015_untrained, mup019_untested
from mupfx.checks.static import static_findings
from mupfx.core.evidence import Evidence
from mupfx.core.finding import Finding, Level
from mupfx.core.report import Quantity, Report, Size, Slope, Verdict
from mupfx.core.setup import Setup
from mupfx.core.tested import Tested
from mupfx.pipeline.checking.analysed import chosen_sizes
from mupfx.pipeline.checking.options import Options
from mupfx.pipeline.checking.setups import Workshop, spelled
from mupfx.pipeline.checking.static import static_evidence
from mupfx.pipeline.checking.surroundings import untouched
from mupfx.pipeline.checking.target import Target
from mupfx.pipeline.checking.watch import Progress, Watch


def run_check(target: Target, options: Options, watch: Watch) -> Report:
    """Check one target.

    Raises:
        TargetError: It does not work, or lacks what cannot be supplied.
    """
    with untouched():
        return _Check(target, options, Progress(watch)).report()


class _Check:
    """One target, and what was seen of it."""

    def __init__(self, target: Target, options: Options, progress: Progress) -> None:
        self._options, self._progress = options, progress
        first = next(iter(options.sizes.values()))
        self._workshop = Workshop(target, first, options.inputs, options.table)
        self._notes: dict[str, None] = {}
        self._alike: list[str] = []

    def report(self) -> Report:
        """Look at everything, and judge it."""
        options = self._options
        evidence = tuple(self._read(axis, sizes) for axis, sizes in options.sizes.items())
        findings = tuple(self._findings(evidence, ()))
        return Report(
            target=self._workshop.target.name,
            verdict=verdict(findings, ()),
            findings=findings,
            sizes=options.sizes,
            parametrization=options.table.name,
            quantities=tuple(q for found in evidence for q in quantities(found)),
            settings=options.settings,
            notes=tuple(self._notes),
        )

    def _read(self, axis: str, sizes: Sequence[Size]) -> Evidence:
        """What models of three sizes say, which are there at once for this alone."""
        chosen = chosen_sizes(sizes)
        self._progress.expect(chosen)
        setups: dict[Size, Sequence[Setup]] = {}
        for size in chosen:
            self._progress.begin(f"reading {spelled(size)}")
            setup = self._workshop.setup(size, self._options.seeds[0])
            self._notes.update(dict.fromkeys(setup.supplied))
            setups[size] = (setup,)
            self._progress.finish(size)
        if _same_shapes(setups[chosen[0]][0], setups[chosen[-1]][0]):
            self._alike.append(axis)
        self._progress.begin("comparing")
        return static_evidence(setups, axis, self._options.table)

    def _findings(
        self, evidence: tuple[Evidence, ...], slopes: tuple[Slope, ...]
    ) -> Iterator[Finding]:
        for found in evidence:
            yield from static_findings(found)
            yield from mup015_untrained.judge(found)
        yield from mup019_untested.judge(Tested(evidence, slopes, tuple(self._alike)))


def _same_shapes(one: Setup, other: Setup) -> bool:
    return _shapes(one) == _shapes(other)


def _shapes(setup: Setup) -> Mapping[str, tuple[int, ...]]:
    return {name: tuple(p.shape) for name, p in setup.model.named_parameters()}


def quantities(evidence: Evidence) -> Iterator[Quantity]:
    """Every number that was read, for the report."""
    for parameter in evidence.parameters.values():
        for name, measure in parameter.measures.items():
            yield Quantity(
                parameter.name,
                name,
                evidence.axis,
                measure.effective,
                measure.measured,
                measure.expected,
            )


def verdict(findings: tuple[Finding, ...], slopes: tuple[Slope, ...]) -> Verdict:
    """What findings and slopes come to together."""
    if any(finding.level is Level.ERROR for finding in findings):
        return Verdict.FAIL
    if any(slope.verdict is Verdict.INCONCLUSIVE for slope in slopes):
        return Verdict.INCONCLUSIVE
    return Verdict.PASS
