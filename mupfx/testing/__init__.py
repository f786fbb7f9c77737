"""For tests, of this project and of others.

``assert_mup(factory)`` fails where a model leaves its parametrization; ``models()`` is a strategy
of Hypothesis, of which each ``ModelSpec`` builds the same small model at any width.

>>> from mupfx.testing import assert_mup
"""

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = ["ModelSpec", "assert_mup", "models"]

if TYPE_CHECKING:
    from mupfx.testing.asserting import assert_mup
    from mupfx.testing.strategies import ModelSpec, models
else:  # Hypothesis and torch are loaded by what needs them
    _HOME_OF = {
        "ModelSpec": "mupfx.testing.strategies",
        "assert_mup": "mupfx.testing.asserting",
        "models": "mupfx.testing.strategies",
    }

    def __getattr__(name: str) -> object:
        """Load a public name from its home on first use."""
        if home := _HOME_OF.get(name):
            return getattr(import_module(home), name)
        raise AttributeError(f"module 'mupfx.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
