"""Every error mupfx raises: what happened, where, what was expected and found, what to do.

Example of the text a user sees::

    BaseError: the base has another depth: 6 residual adds here, 2 at the base
      where: stream of class `c0`
      hint: pass base_depth=2
"""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str], most: int = 3) -> str | None:
    """A hint with the names that look like one, if any does.

    >>> did_you_mean("widht", ["width", "depth"])
    'did you mean `width`?'
    """
    likely = get_close_matches(word, list(known), n=most)
    return f"did you mean {' or '.join(f'`{other}`' for other in likely)}?" if likely else None


class MupfxError(Exception):
    """Base of all errors of this package.

    Args:
        what: One sentence, lower case, no full stop.
        where: The parameter, node or source line it is about.
        expected: What would have been right.
        found: What was there instead.
        hint: What the user can do, preferably one line to type.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        expected: str | None = None,
        found: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.expected = expected
        self.found = found
        self.hint = hint
        lines = [what]
        for label, text in (
            ("where", where),
            ("expected", expected),
            ("found", found),
            ("hint", hint),
        ):
            if text is not None:
                lines.append(f"  {label}: {text}")
        super().__init__("\n".join(lines))


class CaptureError(MupfxError):
    """The model could not be traced with the example inputs given."""


class ModelError(MupfxError):
    """The model is in a state that cannot be converted (lazy, quantized, NaN, mixed devices...)."""


class AnalysisError(MupfxError):
    """Axes or roles could not be settled without guessing, and strict mode refuses to guess."""


class ParametrizationError(MupfxError):
    """The parametrization is not known, or its table lacks a role that the model has."""


class BaseError(MupfxError):
    """The base does not fit the model."""


class InitError(MupfxError):
    """The law that a parameter was initialised with could not be told apart from another."""


class LoweringError(MupfxError):
    """A multiplier of the plan can neither be folded nor hooked."""


class ExportError(MupfxError):
    """A model cannot be written in a format, or what was written is not the same function."""


class OptimizerError(MupfxError):
    """The optimizer, its groups or its hyperparameters cannot be put into the parametrization."""


class PlanError(MupfxError):
    """There is no plan on this module, or a plan file does not fit it."""


class TargetError(MupfxError):
    """A command line target, argument or input spec could not be understood."""


class ObserveError(MupfxError):
    """What was asked of observations is not in them, or cannot be observed."""


class MupfxWarning(UserWarning):
    """Category of every warning of this package."""
