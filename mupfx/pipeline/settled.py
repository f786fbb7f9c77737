"""Strict mode: refuse to plan on what is not known."""

from mupfx.core.analysis import Analysis
from mupfx.core.vocabulary import Status
from mupfx.errors import AnalysisError, BaseError


def require_settled(analysis: Analysis) -> None:
    """Refuse to plan on guesses.

    Raises:
        AnalysisError: A parameter was never reached, an op is unknown, or a role is ambiguous.
        BaseError: An axis grew in only some of the layers that have it.
    """
    if analysis.unreached:
        raise AnalysisError(
            "the example inputs never reach some parameters",
            where=_some(analysis.unreached),
            hint="pass an example that uses them, or strict=False to leave them as they are",
        )
    if analysis.axes.unknown_ops:
        node, why = next(iter(analysis.axes.unknown_ops.items()))
        raise AnalysisError(
            "the axes of an op's result are not known",
            where=node,
            found=why,
            hint="strict=False treats its result's axes as new",
        )
    if analysis.uneven:
        first = analysis.uneven[0]
        raise BaseError(
            "an axis grew in only some layers",
            where=first.where,
            expected=first.expected,
            found=first.found,
            hint="shrink every layer of the base alike, or strict=False if that is meant",
        )
    unknown = [n for n, r in analysis.roles.items() if r.status is Status.UNKNOWN]
    if unknown:
        role = analysis.roles[unknown[0]]
        raise AnalysisError(
            "a parameter is used in roles that ask for different numbers",
            where=unknown[0],
            found=", ".join(f"{r} at {u.where or u.node}" for r, u in role.uses),
            hint="give each use a parameter of its own",
        )


def _some(names: tuple[str, ...], limit: int = 4) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
