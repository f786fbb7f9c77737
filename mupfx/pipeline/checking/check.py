"""A whole check: setups are made, read, trained and dropped; rules judge what was seen."""

from mupfx.core.finding import Finding, Level
from mupfx.core.report import Report, Slope, Verdict
from mupfx.pipeline.checking.options import Options
from mupfx.pipeline.checking.setups import Workshop
from mupfx.pipeline.checking.surroundings import untouched
from mupfx.pipeline.checking.target import Target
from mupfx.pipeline.checking.watch import Progress, Watch


def run_check(target: Target, options: Options, watch: Watch) -> Report:
    """Check one target.

    Raises:
        TargetError: It does not work, or lacks what cannot be supplied.
    """
    with untouched():
        return _checked(target, options, Progress(watch))


def _checked(target: Target, options: Options, progress: Progress) -> Report:
    first = next(iter(options.sizes.values()))
    workshop = Workshop(target, first, options.inputs, options.table)
    notes: dict[str, None] = {}
    for sizes in options.sizes.values():
        for size in sizes:
            setup = workshop.setup(size, options.seeds[0])
            notes.update(dict.fromkeys(setup.supplied))
    findings: tuple[Finding, ...] = ()
    return Report(
        target=target.name,
        verdict=verdict(findings, ()),
        findings=findings,
        sizes=options.sizes,
        parametrization=options.table.name,
        settings=options.settings,
        notes=tuple(notes),
    )


def verdict(findings: tuple[Finding, ...], slopes: tuple[Slope, ...]) -> Verdict:
    """What findings and slopes come to together."""
    if any(finding.level is Level.ERROR for finding in findings):
        return Verdict.FAIL
    if any(slope.verdict is Verdict.INCONCLUSIVE for slope in slopes):
        return Verdict.INCONCLUSIVE
    return Verdict.PASS
