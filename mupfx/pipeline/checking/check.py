"""A whole check: setups are made, read, trained and dropped; rules judge what was seen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mupfx.checks import mup015_untrained, mup019_untested
from mupfx.checks.dynamic import dynamic_findings, standing
from mupfx.checks.static import static_findings
from mupfx.core.evidence import RATE, Evidence, ParameterEvidence
from mupfx.core.finding import Finding, Level
from mupfx.core.report import Quantity, Report, Size, Slope, Verdict
from mupfx.core.run import Run
from mupfx.core.setup import Setup
from mupfx.core.tested import Tested
from mupfx.core.trained import Trained
from mupfx.errors import MupfxError
from mupfx.pipeline.checking.dynamic import dynamic_evidence, expectations, rounding
from mupfx.pipeline.checking.gradients import gradients
from mupfx.pipeline.checking.growth import Budget, Grown, grow
from mupfx.pipeline.checking.options import Options
from mupfx.pipeline.checking.origin import located
from mupfx.pipeline.checking.setups import Workshop, spelled
from mupfx.pipeline.checking.static import static_evidence
from mupfx.pipeline.checking.surroundings import untouched
from mupfx.pipeline.checking.target import Target, raised, read_target
from mupfx.pipeline.checking.training import train
from mupfx.pipeline.checking.watch import Progress, Watch
from mupfx.pipeline.unconverted import as_written
from mupfx.tables.optimizers import FAMILIES

_SEEDS = (
    "every seed gives the same run, so that no chance is in the intervals: do not seed torch in "
    "the target, or with its argument `seed`"
)
_PASSED_BY = "nothing is converted by mupfx: give the control as a target of its own"


@dataclass(slots=True)
class Seen:
    """What was seen of one target."""

    evidence: tuple[Evidence, ...] = ()
    grown: Mapping[str, Grown] = field(default_factory=dict)
    """Runs and slopes by axis."""
    findings: tuple[Finding, ...] = ()
    alike: tuple[str, ...] = ()

    @property
    def slopes(self) -> tuple[Slope, ...]:
        """Of all axes."""
        return tuple(slope for grown in self.grown.values() for slope in grown.slopes)

    @property
    def failed(self) -> bool:
        """Whether a rule says that something is wrong."""
        return any(finding.level is Level.ERROR for finding in self.findings)


def run_check(target: Target, options: Options, watch: Watch) -> Report:
    """Check one target.

    Raises:
        TargetError: It does not work, or lacks what cannot be supplied.
    """
    progress = Progress(watch)
    with untouched():
        look = _Look(target, options, progress)
        seen = look.see()
        control = _control(target, options, progress, seen, look.notes)
    return _report(target, options, seen, control, tuple(look.notes))


def _control(
    target: Target, options: Options, progress: Progress, seen: Seen, notes: dict[str, None]
) -> Seen | None:
    """The same of what has to fail; None where there is nothing to try."""
    asked = options.control
    if asked is False:
        return None
    beside = replace(options, control=False, mode=replace(options.mode, most_seeds=0, wider=0))
    if callable(asked):
        axes = tuple(options.sizes)
        other = read_target(asked, axes, words=target.words, arguments=target.arguments)
        return _Look(other, beside, progress, "control: ").see()
    if not any(found.converted for found in seen.evidence):
        notes[f"no control was tried: {_PASSED_BY}"] = None
        return None
    with as_written():
        return _Look(target, beside, progress, "control: ").see()


def _report(
    target: Target, options: Options, seen: Seen, control: Seen | None, notes: tuple[str, ...]
) -> Report:
    errors = None if control is None else len([f for f in control.findings if _is_error(f)])
    idle = rounding(run for grown in seen.grown.values() for run in grown.runs)
    tested = Tested(seen.evidence, seen.slopes, seen.alike, errors, idle)
    found = _once((*seen.findings, *mup019_untested.judge(tested)))
    findings = located(found, target.factory)
    return Report(
        target=target.name,
        verdict=verdict(findings, tested),
        findings=findings,
        sizes={
            axis: seen.grown[axis].sizes if axis in seen.grown else sizes
            for axis, sizes in options.sizes.items()
        },
        parametrization=options.table.name,
        quantities=tuple(q for found in seen.evidence for q in quantities(found)),
        slopes=seen.slopes,
        control=() if control is None else control.slopes,
        settings={**options.settings, **_tried(seen, errors)},
        notes=notes,
    )


def _once(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Without what is said along one axis already, and is no matter of the axis."""
    known = {(f.code, f.parameter, f.message): f for f in reversed(findings)}
    return tuple(f for f in findings if f is known[f.code, f.parameter, f.message])


def _tried(seen: Seen, control_errors: int | None) -> dict[str, object]:
    seeds = {seed: None for grown in seen.grown.values() for seed in grown.seeds}
    found: dict[str, object] = {"seeds": list(seeds)} if seeds else {}
    return found if control_errors is None else {**found, "control_errors": control_errors}


def verdict(findings: Sequence[Finding], tested: Tested) -> Verdict:
    """What everything comes to together."""
    if any(_is_error(finding) for finding in findings):
        return Verdict.FAIL
    if any(slope.verdict is Verdict.INCONCLUSIVE for slope in tested.slopes):
        return Verdict.INCONCLUSIVE
    return Verdict.INCONCLUSIVE if any(tested.undecided()) else Verdict.PASS


def _is_error(finding: Finding) -> bool:
    return finding.level is Level.ERROR


class _Look:
    """One target being looked at, and what is said on the way."""

    def __init__(
        self, target: Target, options: Options, progress: Progress, prefix: str = ""
    ) -> None:
        self.notes: dict[str, None] = {}
        self._options, self._progress, self._prefix = options, progress, prefix
        first = next(iter(options.sizes.values()))
        self._workshop = Workshop(target, first, options.inputs, options.table)
        self._runs: dict[tuple[Size, int], Run] = {}
        self._read_ones: dict[tuple[Size, int], Setup] = {}
        """Setups that were read and not trained yet."""

    def see(self) -> Seen:
        """Look along every axis, and judge what is seen."""
        options, seen = self._options, Seen()
        for axis, sizes in options.sizes.items():
            self._progress.expect(options.read(axis))
            self._progress.expect(sizes, len(options.seeds) if options.dynamic else 0)
        for axis in options.sizes:
            self._read(axis, seen)
        seen.findings = tuple(self._read_findings(seen.evidence))
        if options.dynamic:
            self._train_all(seen)
        return seen

    def _read(self, axis: str, seen: Seen) -> None:
        """What models of a few sizes say, which are there at once for this alone."""
        chosen = self._options.read(axis)
        setups: dict[Size, Sequence[Setup]] = {}
        for size in chosen:
            self._progress.begin(f"{self._prefix}reading {spelled(size)}")
            setup = self._workshop.setup(size, self._options.seeds[0])
            self.notes.update(dict.fromkeys(setup.supplied))
            setups[size] = (setup,)
            self._read_ones[size, setup.seed] = setup
            self._progress.finish(size)
        if _shapes(setups[chosen[0]][0]) == _shapes(setups[chosen[-1]][0]):
            seen.alike += (axis,)
        self._progress.begin(f"{self._prefix}comparing")
        taken = self._gradients if self._options.dynamic else gradients
        seen.evidence += (static_evidence(setups, axis, self._options.table, gradients=taken),)

    def _gradients(self, setup: Setup) -> Mapping[str, float]:
        """Of the first step of training, which the setup is for anyway."""
        run = self._run(setup.size, setup.seed, first=True)
        return run.first or gradients(self._workshop.setup(setup.size, setup.seed))

    def _read_findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        for found in evidence if self._options.static else ():
            yield from static_findings(found)
            yield from mup015_untrained.judge(found)

    def _train_all(self, seen: Seen) -> None:
        failed = seen.failed
        for found in seen.evidence:
            grown = self._train(found, failed=failed)
            seen.grown = {**seen.grown, found.axis: grown}
            trained = _trained(found, grown, seen.findings)
            seen.findings = standing(trained)
            seen.findings += dynamic_findings(replace(trained, before=seen.findings))
            if _one_seed(grown):
                self.notes[_SEEDS] = None

    def _train(self, evidence: Evidence, *, failed: bool) -> Grown:
        options, expected = self._options, expectations(evidence)
        longer = options.mode if not failed else replace(options.mode, most_seeds=0, wider=0)
        budget = Budget(options.seeds, longer.most_seeds, longer.wider)
        return grow(
            options.sizes[evidence.axis],
            evidence.axis,
            budget,
            self._finished,
            lambda runs: dynamic_evidence(
                runs, expected, axis=evidence.axis, margin=options.margin, looks=budget.looks
            ),
        )

    def _finished(self, size: Size, seed: int) -> Run:
        run = self._run(size, seed)
        self._progress.finish(size)
        return run

    def _run(self, size: Size, seed: int, *, first: bool = False) -> Run:
        """Train a setup of its own, once: axes share their smallest size."""
        if (size, seed) not in self._runs:
            self._progress.begin(f"{self._prefix}training {spelled(size)}, seed {seed}")
            setup = self._read_ones.pop((size, seed), None) or self._workshop.setup(size, seed)
            self._runs[size, seed] = self._trained(setup, first=first)
        return self._runs[size, seed]

    def _trained(self, setup: Setup, *, first: bool) -> Run:
        try:
            starts = self._options.mode.starts
            return train(setup, steps=self._options.steps, starts=starts, first=first)
        except MupfxError:
            raise
        except Exception as error:
            name, where = self._workshop.target.name, spelled(setup.size)
            raise raised(f"training `{name}`", error, where) from error


def _one_seed(grown: Grown) -> bool:
    """Whether several seeds gave one run."""
    losses = {run.losses for run in grown.runs if run.size == grown.sizes[0]}
    return len(grown.seeds) > 1 and len(losses) == 1


def _trained(evidence: Evidence, grown: Grown, before: tuple[Finding, ...]) -> Trained:
    """What rules on training know."""
    parameters = evidence.parameters.values()
    return Trained(
        axis=evidence.axis,
        runs=grown.runs,
        slopes=grown.slopes,
        before=before,
        places={p.name: p.place for p in parameters if p.place is not None},
        normalised=frozenset(p.name for p in parameters if _normalises(p.family)),
        due={p.name: due for p in parameters if (due := _due(p)) is not None},
    )


def _due(parameter: ParameterEvidence) -> float | None:
    """The exponent that a learning rate is to have as it stands in its group."""
    rate = parameter.measures.get(RATE)
    if rate is None or rate.written is None or rate.deviation is None:
        return None
    return rate.written - rate.deviation


def _normalises(family: str | None) -> bool:
    """Whether an optimizer's steps are of one size, whatever the gradient's."""
    row = FAMILIES.get(family or "")
    return row is not None and row.lr.gradient == 0


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
