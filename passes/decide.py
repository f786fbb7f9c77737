"""Decide every site's multiplier, and where it goes: folded into weights, or a hook.

Attention logits come to sqrt(base head_dim) / head_dim whatever scale the model applies itself: the
multiplier is what is missing from the scale in force. ``1/sqrt(head_dim)`` in force and a ratio of
4 give 1/2; ``1/head_dim`` in force gives 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isclose, prod, sqrt

from mupfx.core.axes import Axes
from mupfx.core.base import Ratios
from mupfx.core.parametrization import DepthRule, Parametrization
from mupfx.core.power import ONE, Power
from mupfx.core.structure import Site, Streams
from mupfx.core.vocabulary import SiteKind
from mupfx.errors import BaseError

HALF = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a site is to be multiplied by."""

    site: Site
    value: float
    power: Power
    source: str
    evidence: str
    choice: float = 1.0
    """What of ``value`` the user chose, beside the power."""


def decide(
    sites: Sequence[Site],
    axes: Axes,
    ratios: Ratios,
    parametrization: Parametrization,
    logits: Fraction | None = None,
) -> tuple[Decision, ...]:
    """The multiplier of every site.

    Args:
        sites: Where there may be one.
        axes: Sizes of what a site sums over.
        ratios: How much that grew.
        parametrization: The table of rules.
        logits: The exponent with which the user wants attention logits to fall, if any.

    Raises:
        BaseError: A scale in force cannot be told from one size.
    """
    return tuple(
        _decide(site, axes, ratios, _wanted(site, parametrization, logits)) for site in sites
    )


_Wanted = tuple[str, Fraction | None, str]
"""Symbol, total exponent of a site in its ratio, and the rule; None leaves it alone."""


def _decide(site: Site, axes: Axes, ratios: Ratios, wish: _Wanted) -> Decision:
    ratio = ratios.of_axis(site.classes)
    symbol, wanted, source = wish
    size = prod(axes.classes[c].size for c in site.classes)
    have, seen = _in_force(site, size, ratio)
    if wanted is None or ratio == 1:
        grown = "the contracted axis is as at the base" if ratio == 1 else "left as written"
        return Decision(site, 1.0, ONE, source, grown)
    if site.kind is SiteKind.ATTENTION:
        _require_known(site, have)
    wanted += Fraction(site.unit_operands, 2)
    power = Power.of(**{symbol: wanted - have})
    value = power.value({symbol: ratio})
    if site.base_scale is not None:
        value = float(ratio) ** float(wanted) * site.base_scale / site.scale
        value = 1.0 if isclose(value, 1.0, rel_tol=1e-9) else value
    return Decision(site, value, power if value != 1 else ONE, source, seen)


def decide_embeddings(
    sites: Sequence[Site], axes: Axes, ratios: Ratios, parametrization: Parametrization
) -> tuple[Decision, ...]:
    """What undoes constants in the code that grow with what is looked up: ``x * sqrt(width)``.

    Entries of an embedding are as large at every width, in every table but the model's own.
    """
    found = []
    for site in sites:
        ratio = ratios.of_axis(site.classes)
        size = prod(axes.classes[c].size for c in site.classes)
        have, seen = _in_force(site, size, ratio)
        value = float(ratio) ** -float(have)
        if site.base_scale is not None:
            value = site.base_scale / site.scale
        if parametrization.own_init or isclose(value, 1.0, rel_tol=1e-9):
            continue
        power = Power.of(fan_out=-have)
        source = "what is looked up is as large at every width: input weights of the table"
        found.append(Decision(site, value, power, source, seen))
    return tuple(found)


def decide_branches(
    sites: Sequence[Site], streams: Streams, ratios: Ratios, rule: DepthRule
) -> tuple[Decision, ...]:
    """The multiplier of every residual branch: ``depth^-alpha``, less what the model itself does.

    Raises:
        BaseError: A constant in the model cannot be told from one that falls with depth.
    """
    depths = {stream.name: stream.depth for stream in streams.streams}
    return tuple(_of_branch(s, depths[s.stream or ""], ratios, rule) for s in sites)


def _of_branch(site: Site, depth: int, ratios: Ratios, rule: DepthRule) -> Decision:
    ratio = ratios.depth.get(site.stream or "", Fraction(1))
    if ratio == 1:
        return Decision(site, 1.0, ONE, rule.source, f"{depth} residual adds, as at the base")
    if site.base_scale is None and _falls_with(depth, site.scale):
        raise BaseError(
            f"a residual branch is multiplied by {site.scale:.6g}, which may fall with depth",
            where=site.where or site.node,
            hint="give the base model itself: base=Model(...)",
        )
    own = site.scale / (site.base_scale or site.scale)
    value = rule.branch.value({"depth": ratio}) / own
    seen = f"{depth} residual adds, {depth / ratio} at the base"
    seen += f"; {site.scale:.6g} in force, {site.base_scale:.6g} there" if own != 1 else ""
    value = 1.0 if isclose(value, 1.0, rel_tol=1e-9) else value
    return Decision(site, value, rule.branch if value != 1 else ONE, rule.source, seen)


def _falls_with(depth: int, scale: float) -> bool:
    """Whether a constant is what people divide branches by in a model of this depth."""
    counts = [count for count in (Fraction(depth, 2), depth, 2 * depth) if count > 1]
    return any(isclose(scale, float(c) ** -e, rel_tol=1e-4) for c in counts for e in (0.5, 1.0))


def _require_known(site: Site, have: Fraction) -> None:
    """Refuse a constant that one size alone does not explain.

    Raises:
        BaseError: Whether it changes with the size cannot be told.
    """
    plain = site.base_scale is not None or site.unit_operands or isclose(site.scale, 1.0)
    if not plain and have == 0:
        raise BaseError(
            f"attention is scaled by {site.scale:.6g}, and one size does not tell how that changes",
            where=site.where or site.node,
            expected="1/sqrt(size), 1/size or no scale",
            hint="give the base model itself: base=Model(...)",
        )


def _wanted(site: Site, parametrization: Parametrization, logits: Fraction | None) -> _Wanted:
    if site.kind is SiteKind.ATTENTION and logits is not None:
        return "head_dim", -logits, f"attention_exponent {logits}, chosen by the user"
    if site.kind is SiteKind.ATTENTION:
        table, source = parametrization.attention, parametrization.attention_source
        return "head_dim", -HALF + _exponent(table) if table != ONE else None, source
    table, source = parametrization.tied_readout, parametrization.tied_readout_source
    return "fan_in", _exponent(table) if table != ONE else None, source


def _exponent(power: Power) -> Fraction:
    return sum((value for _, value in power.exponents), start=Fraction(0))


def _in_force(site: Site, size: int, ratio: Fraction) -> tuple[Fraction, str]:
    """The exponent with which the scale in force falls with the contracted axis."""
    if site.base_scale is not None:
        text = f"scale {site.scale:.6g} here and {site.base_scale:.6g} at the base"
        return _from_base(site, ratio), text
    for exponent, word in ((-HALF, "1/sqrt(size)"), (Fraction(-1), "1/size")):
        if size > 1 and isclose(site.scale, size ** float(exponent), rel_tol=1e-4):
            return exponent, f"scale {site.scale:.6g} in force is {word} of {size}"
        if site.kind is not SiteKind.ATTENTION and isclose(site.scale, sqrt(size), rel_tol=1e-4):
            return HALF, f"scale {site.scale:.6g} in force is sqrt({size})"
    return Fraction(0), f"scale {site.scale:.6g} in force does not depend on {size}"


def _from_base(site: Site, ratio: Fraction) -> Fraction:
    if site.base_scale is None or ratio == 1:
        return Fraction(0)
    for exponent in (-HALF, Fraction(-1), Fraction(0), HALF):
        if isclose(site.scale / site.base_scale, float(ratio) ** float(exponent), rel_tol=1e-6):
            return exponent
    return Fraction(0)
