"""``mupfx convert``: put a model into a parametrization and write what training needs."""

from dataclasses import replace
from pathlib import Path

from torch import nn

from mupfx import api
from mupfx.commands.build import base, base_depth, example, hyperparameters, laws, overrides
from mupfx.commands.inspect import inspect
from mupfx.commands.subject import Subject, Wish
from mupfx.commands.target import Example
from mupfx.commands.terminal import progress, write, write_json, write_text
from mupfx.core.plan import Plan
from mupfx.errors import TargetError
from mupfx.exports.folder import Saved, save
from mupfx.render.document import Lines
from mupfx.render.plan import plan_document
from mupfx.tables.parametrizations import parametrization

PLAN = "plan"
"""The pass after which everything is decided and nothing changed."""


def converted(subject: Subject, wish: Wish) -> tuple[nn.Module, Plan]:
    """Build the subject, convert it, and return its plan too.

    Raises:
        ParametrizationError: There is no such parametrization.
        TargetError: No base was given.
    """
    made = converted_example(subject, wish)
    return made.model, api.plan(made.model)


def converted_example(subject: Subject, wish: Wish) -> Example:
    """Build the subject and convert it.

    Raises:
        ParametrizationError: There is no such parametrization.
        TargetError: No base was given.
    """
    table = parametrization(wish.parametrization)
    choices = hyperparameters(wish)
    with progress(f"building {subject.target}"):
        made = example(subject, values=True)
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
            parametrization=table,
            hyperparameters=choices,
            grow=subject.grow,
            strict=wish.strict,
            overrides=overrides(subject),
            init=laws(wish),
            hooks=wish.hooks,
        )
    return replace(made, model=model)


def convert(
    subject: Subject, wish: Wish, folder: Path, *, as_json: bool, every_layer: bool
) -> None:
    """Convert, write the folder, and print the plan."""
    model, plan = converted(subject, wish)
    with progress(f"writing {folder}"):
        saved = save(model, plan, folder)
    if as_json:
        write_json(plan.to_dict())
    else:
        write((*plan_document(plan, every_layer=every_layer), _written(saved)))


def dump(subject: Subject, wish: Wish, name: str) -> None:
    """Print what one pass of a conversion made, and write nothing."""
    if name == PLAN:
        write_text(api.dump(converted(subject, wish)[1], name))
    else:
        inspect(subject, as_json=False, every_layer=True, dump_after=name)


def _written(saved: Saved) -> Lines:
    lines = [str(path) for path in saved.files]
    lines += [f"`{name}` is `{kept}`, written once" for name, kept in saved.shared.items()]
    return Lines("written", tuple(lines))
