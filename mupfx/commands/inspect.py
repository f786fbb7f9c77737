"""``mupfx inspect``: what every axis and every parameter of a model is."""

from mupfx import api
from mupfx.commands.build import base, base_depth, example, overrides
from mupfx.commands.subject import Subject
from mupfx.commands.terminal import progress, write, write_json, write_text
from mupfx.core.analysis import Analysis
from mupfx.errors import TargetError
from mupfx.render.analysis import analysis_document


def analyze(subject: Subject) -> Analysis:
    """Build the subject and run the analysis passes."""
    with progress(f"building {subject.target}"):
        made = example(subject, values=False)
        beside = base(subject)
    with progress(f"tracing {subject.target}"):
        return api.analyze(
            made.model,
            made.args or (),
            dict(made.kwargs),
            base=beside,
            base_depth=base_depth(subject),
            grow=subject.grow,
            overrides=overrides(subject),
        )


def inspect(subject: Subject, *, as_json: bool, every_layer: bool, dump_after: str | None) -> None:
    """Print an analysis, as tables, as JSON, or as what one pass made.

    Raises:
        TargetError: The pass belongs to a conversion.
    """
    if dump_after == "plan":
        raise TargetError("an analysis makes no plan", hint="mupfx convert --dump-after plan")
    analysis = analyze(subject)
    if dump_after is not None:
        write_text(api.dump(analysis, dump_after))
    elif as_json:
        write_json(analysis.to_dict())
    else:
        write(analysis_document(analysis, every_layer=every_layer))
