"""``mupfx convert``: put a model into a parametrization and write what training needs."""

from pathlib import Path

from torch import nn

from mupfx import api
from mupfx.commands.build import base, base_depth, example, overrides
from mupfx.commands.inspect import inspect
from mupfx.commands.subject import Subject
from mupfx.commands.terminal import progress, write, write_json, write_text
from mupfx.core.plan import Plan
from mupfx.errors import TargetError
from mupfx.export.folder import Saved, save
from mupfx.render.document import Lines
from mupfx.render.plan import plan_document

PLAN = "plan"


def converted(subject: Subject, parametrization: str) -> tuple[nn.Module, Plan]:
    """Build the subject, convert it, and return its plan too.

    Raises:
        TargetError: No base was given.
    """
    with progress(f"building {subject.target}"):
        made = example(subject)
        beside = base(subject)
    if beside is None:
        raise TargetError(
            "a conversion needs a base", hint="--base 64, or --base-arg width=64 for a base model"
        )
    with progress(f"converting {subject.target}"):
        model = api.convert(
            made.model,
            made.args or (),
            dict(made.kwargs),
            base=beside,
            base_depth=base_depth(subject),
            parametrization=parametrization,
            grow=subject.grow,
            overrides=overrides(subject),
        )
    return model, api.plan(model)


def convert(
    subject: Subject, folder: Path, *, parametrization: str, as_json: bool, every_layer: bool
) -> None:
    """Convert, write the folder, and print the plan."""
    model, plan = converted(subject, parametrization)
    with progress(f"writing {folder}"):
        saved = save(model, plan, folder)
    if as_json:
        write_json(plan.to_dict())
    else:
        write((*plan_document(plan, every_layer=every_layer), _written(saved)))


def dump(subject: Subject, name: str, *, parametrization: str) -> None:
    """Print what one pass of a conversion made, and write nothing."""
    if name != PLAN:
        inspect(subject, as_json=False, every_layer=True, dump_after=name)
        return
    _, plan = converted(subject, parametrization)
    write_text(api.dump(plan, name))


def _written(saved: Saved) -> Lines:
    lines = [str(path) for path in saved.files]
    lines += [f"`{name}` is `{kept}`, written once" for name, kept in saved.shared.items()]
    if saved.hooked:
        lines.append(f"not in the weights, but hooks of the model: {', '.join(saved.hooked)}")
    return Lines("written", tuple(lines))
