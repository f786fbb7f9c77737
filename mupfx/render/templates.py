"""The environment that pages are made in: what users wrote is text; what is missing, an error."""

from collections.abc import Callable

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mupfx.render.svg import DARK, STYLE


def environment(package: str, breaks: Callable[[str], Markup]) -> Environment:
    """Templates of a package.

    Args:
        package: Where they lie.
        breaks: A name that may go on in the next line: the filter of this name.
    """
    made = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["breaks"] = breaks
    made.filters["drawn"] = Markup
    made.globals.update(plot_style=Markup(STYLE), plot_dark=Markup(DARK))
    return made
