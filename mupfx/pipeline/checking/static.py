"""Static evidence: what a model and its optimizer say at several sizes, without a step of training.

The smallest size is the base. Every number is fitted to a power of the size and put into the
canonical gauge, where constants in the code are counted to the weights that they are multiplied
onto, in the way in which the fewest numbers are wrong.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from mupfx.core.conversion import ATTRIBUTE
from mupfx.core.evidence import Evidence
from mupfx.core.parametrization import Parametrization
from mupfx.core.report import Size
from mupfx.core.setup import Setup
from mupfx.core.vocabulary import Status
from mupfx.errors import MupfxError
from mupfx.pipeline.analysis import Options
from mupfx.pipeline.checking.analysed import analyse
from mupfx.pipeline.checking.gauging import find_gauge
from mupfx.pipeline.checking.gradients import gradients
from mupfx.pipeline.checking.in_loss import as_the_loss_reads
from mupfx.pipeline.checking.nearby import natural
from mupfx.pipeline.checking.numbers import numbers_of, pull_of
from mupfx.pipeline.checking.parameters import parameter_evidence
from mupfx.pipeline.checking.placed import constant_evidence, site_evidence
from mupfx.pipeline.checking.readings import Reading, read
from mupfx.pipeline.checking.subject import Subject
from mupfx.pipeline.pairing import Captures


def static_evidence(
    setups: Mapping[Size, Sequence[Setup]],
    axis: str,
    table: Parametrization,
    options: Options | None = None,
    gradients: Callable[[Setup], Mapping[str, float]] = gradients,
) -> Evidence:
    """Read what there is to read along one axis; what analysis refuses is said, never raised.

    Args:
        setups: By size, one a seed; they are read and left as they are.
        axis: ``width`` or ``depth``: what these sizes differ in.
        table: The parametrization that they should follow.
        options: What the user says about growth.
        gradients: Gives the rms of gradients at the largest size, whose setup it may use up.
    """
    sizes = tuple(sorted(setups, key=lambda size: size.along(axis)))
    base = setups[sizes[0]][0]
    readings = [read(setups[size]) for size in sizes]
    growth, captures = options or Options(), Captures()
    try:
        with as_the_loss_reads(*(setups[size][0] for size in sizes)):
            found = [
                analyse(base, setups[size][0], axis, table, growth, captures) for size in sizes[1:]
            ]
    except MupfxError as refused:
        return _refused(axis, sizes, table, readings, str(refused))
    except Exception as error:  # noqa: BLE001 - a model that no pass was written for
        return _refused(axis, sizes, table, readings, f"{type(error).__name__}: {error}")
    largest = setups[sizes[-1]][0]
    subject = Subject(axis, sizes, table, tuple(readings), tuple(found))
    converted = _is_converted(largest)
    return _evidence(subject, gradients(largest), converted=converted)


def _refused(
    axis: str,
    sizes: tuple[Size, ...],
    table: Parametrization,
    readings: Sequence[Reading],
    refused: str,
) -> Evidence:
    return Evidence(
        axis, sizes, table.name, {}, optimizers=readings[-1].optimizers, refused=refused
    )


def _is_converted(setup: Setup) -> bool:
    return any(ATTRIBUTE in module.__dict__ for module in setup.model.modules())


def _evidence(subject: Subject, taken: Mapping[str, float], *, converted: bool) -> Evidence:
    last = subject.last
    numbers = {name: numbers_of(subject, name) for name in last.rows}
    pulls = [
        pull_of(subject, name, found) for name, found in numbers.items() if subject.judged(name)
    ]
    unsaid = frozenset(w.unknown for w in last.sites if w.expected is None)
    gauge = find_gauge(last.scales, pulls, unsaid, natural(subject), math.log(last.ratio))
    parameters = {
        name: parameter_evidence(subject, name, found, gauge, taken)
        for name, found in numbers.items()
    }
    return Evidence(
        axis=subject.axis,
        sizes=subject.sizes,
        parametrization=subject.table.name,
        parameters=parameters,
        sites=tuple(site_evidence(subject, gauge)),
        constants=tuple(constant_evidence(subject, gauge)),
        optimizers=subject.readings[-1].optimizers,
        depth_rule=subject.table.depth is not None,
        unreached=last.analysis.unreached,
        unjudged=dict(_unjudged(subject)),
        said=last.analysis.findings,
        converted=converted,
    )


def _unjudged(subject: Subject) -> Iterator[tuple[str, str]]:
    uneven = {u.where: str(u) for a in subject.found for u in a.analysis.uneven}
    for name, role in subject.last.analysis.roles.items():
        if role.status is Status.UNKNOWN:
            yield name, "it is used in roles that ask for different numbers"
        elif name in uneven:
            yield name, uneven[name]
        elif None in subject.names(name):
            yield name, "the smallest size has no such parameter"
        elif not subject.judged(name):
            yield name, f"{subject.table.name!r} says nothing of depth inside residual branches"
