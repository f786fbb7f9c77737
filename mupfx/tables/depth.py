"""Depth rules for residual nets, on top of muP's rules for width.

In ``depth`` (residual adds here over those at the base), inside residual branches only; embeddings,
the final norm and the readout have no factor. ``depth_mup`` is alpha 1/2, ``completep`` alpha 1.

| alpha | branch, gradient, Adam eps | Adam lr         | decoupled decay | SGD lr            |
|-------|----------------------------|-----------------|-----------------|-------------------|
| any   | depth^-alpha               | depth^(alpha-1) | depth^(1-alpha) | depth^(2 alpha-1) |
| 1/2   | depth^-1/2                 | depth^-1/2      | depth^1/2       | 1                 |
| 1     | depth^-1                   | 1               | 1               | depth             |
"""

from dataclasses import replace
from fractions import Fraction

from mupfx.core.parametrization import DepthRule, Parametrization
from mupfx.errors import ParametrizationError
from mupfx.tables.mup import MUP

_TP6 = "Tensor Programs VI (arXiv:2310.02244)"
_COMPLETEP = "CompleteP (arXiv:2505.01618)"
_LOWEST, _HIGHEST = Fraction(1, 2), Fraction(1)
_SOURCES = {
    _LOWEST: f"Depth-muP, {_TP6}, Table 1; the weight decay by keeping lr * weight_decay",
    _HIGHEST: (
        f"{_COMPLETEP}, Table 1; eps by the gradient of each weight, where its code has one for "
        "all; SGD's learning rate derived from both"
    ),
}


def depth(alpha: Fraction) -> Parametrization:
    """MuP in width, and branches of ``depth^-alpha`` updated by ``depth^-(1-alpha)``.

    >>> print(depth(Fraction(1)).depth.branch)
    depth^-1

    Raises:
        ParametrizationError: Alpha is not between 1/2 and 1.
    """
    if not _LOWEST <= alpha <= _HIGHEST:
        raise _outside(alpha)
    source = _SOURCES.get(alpha, f"{_TP6}, section 5: stable and faithful from alpha 1/2 to 1")
    return replace(
        MUP,
        name=f"depth({alpha})",
        source=f"{MUP.source}; in depth {source}",
        depth=DepthRule.of(alpha, source),
    )


def _outside(alpha: Fraction) -> ParametrizationError:
    if alpha < _LOWEST:
        why = "below 1/2 the sum of the branches grows as depth^(1/2-alpha) from the start on"
    else:
        why = "above 1 branches vanish with depth, and no update of them that is stable is faithful"
    return ParametrizationError(
        f"alpha {alpha} has no limit of infinite depth: {why} ({_TP6})",
        expected="alpha from 1/2 to 1",
        found=str(alpha),
        hint="1 ('completep') for blocks of several layers, 1/2 ('depth_mup') for blocks of one",
    )


DEPTH_MUP = replace(depth(_LOWEST), name="depth_mup")
COMPLETEP = replace(depth(_HIGHEST), name="completep")
