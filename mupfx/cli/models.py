"""Commands on one model: what it is, and what becomes of it."""

from typing import Annotated

import typer

from mupfx.cli.app import app
from mupfx.commands import options
from mupfx.commands.options import Grow, MultiplierPlace
from mupfx.commands.subject import Subject, Wish


@app.command()
def inspect(  # noqa: PLR0913 - one a flag
    target: options.Target,
    *,
    arg: options.Arguments = None,
    inputs: options.Inputs = None,
    base: options.Base = None,
    base_arg: options.BaseArguments = None,
    base_depth: options.BaseDepth = None,
    grow: options.GrowBy = Grow.HEADS,
    override: options.Overrides = None,
    every_layer: options.EveryLayer = False,
    dump_after: options.DumpAfter = None,
    as_json: options.Json = False,
) -> None:
    """Show what every axis and every parameter of a model is, and why."""
    from mupfx.commands.inspect import inspect as run  # noqa: PLC0415 - torch

    subject = Subject(target, arg, inputs, base, base_arg, override, base_depth, grow.value)
    name = None if dump_after is None else dump_after.value
    run(subject, as_json=as_json, every_layer=every_layer, dump_after=name)


@app.command()
def convert(  # noqa: PLR0913 - one a flag
    target: options.Target,
    *,
    out: options.Out,
    arg: options.Arguments = None,
    inputs: options.Inputs = None,
    base: options.Base = None,
    base_arg: options.BaseArguments = None,
    base_depth: options.BaseDepth = None,
    grow: options.GrowBy = Grow.HEADS,
    override: options.Overrides = None,
    parametrization: options.Rules = "mup",
    hyper: options.Choices = None,
    init: options.Laws = None,
    strict: options.Strict = True,
    hooks: options.Hooks = True,
    every_layer: options.EveryLayer = False,
    dump_after: options.DumpAfter = None,
    as_json: options.Json = False,
) -> None:
    """Convert a model and write its weights, its plan and its optimizer groups."""
    from mupfx.commands import convert as command  # noqa: PLC0415 - torch

    subject = Subject(target, arg, inputs, base, base_arg, override, base_depth, grow.value)
    wish = Wish(parametrization, init, strict, hooks, hyper)
    if dump_after is not None:
        command.dump(subject, wish, dump_after.value)
        return
    command.convert(subject, wish, out, as_json=as_json, every_layer=every_layer)


@app.command()
def export(  # noqa: PLR0913 - one a flag
    target: options.Target,
    *,
    out: options.ExportPath,
    format: options.ExportFormat = None,  # noqa: A002 - as the option is called
    weights: options.TrainedWeights = None,
    multipliers: options.Multipliers = MultiplierPlace.WEIGHTS,
    tolerance: options.Tolerance = None,
    arg: options.Arguments = None,
    inputs: options.Inputs = None,
    base: options.Base = None,
    base_arg: options.BaseArguments = None,
    base_depth: options.BaseDepth = None,
    grow: options.GrowBy = Grow.HEADS,
    override: options.Overrides = None,
    parametrization: options.Rules = "mup",
    hyper: options.Choices = None,
    init: options.Laws = None,
    strict: options.Strict = True,
    hooks: options.Hooks = True,
    as_json: options.Json = False,
) -> None:
    """Convert a model, put trained weights into it, and write it for use without mupfx."""
    from mupfx.commands import export as command  # noqa: PLC0415 - torch

    subject = Subject(target, arg, inputs, base, base_arg, override, base_depth, grow.value)
    wish = Wish(parametrization, init, strict, hooks, hyper)
    name = None if format is None else format.value
    to = command.Destination(out, name, weights, tolerance, multipliers.value)
    command.export(subject, wish, to, as_json=as_json)


@app.command()
def emit(  # noqa: PLR0913 - one a flag
    target: options.Target,
    *,
    out: options.EmitOut,
    arg: options.Arguments = None,
    inputs: options.Inputs = None,
    base: options.Base = None,
    base_arg: options.BaseArguments = None,
    base_depth: options.BaseDepth = None,
    grow: options.GrowBy = Grow.HEADS,
    override: options.Overrides = None,
    parametrization: options.Rules = "mup",
    hyper: options.Choices = None,
    init: options.Laws = None,
    strict: options.Strict = True,
    hooks: options.Hooks = True,
    as_json: options.Json = False,
) -> None:
    """Write a model's starting values as a program of Triton and torch, for use without mupfx."""
    from mupfx.commands.emit import emit as run  # noqa: PLC0415 - torch

    subject = Subject(target, arg, inputs, base, base_arg, override, base_depth, grow.value)
    run(subject, Wish(parametrization, init, strict, hooks, hyper), out, as_json=as_json)


@app.command()
def explain(  # noqa: PLR0913 - one a flag
    parameter: Annotated[
        str,
        typer.Argument(
            metavar="PARAMETER",
            help="Name of a parameter, a rule (MUP001), or: rules, parametrization.",
        ),
    ],
    table: Annotated[
        str | None,
        typer.Argument(metavar="[TABLE]", help="After `parametrization`: which; else all."),
    ] = None,
    *,
    target: options.TargetOption = None,
    plan: options.PlanFile = None,
    arg: options.Arguments = None,
    inputs: options.Inputs = None,
    base: options.Base = None,
    base_arg: options.BaseArguments = None,
    base_depth: options.BaseDepth = None,
    grow: options.GrowBy = Grow.HEADS,
    override: options.Overrides = None,
    parametrization: options.Rules = "mup",
    hyper: options.Choices = None,
    init: options.Laws = None,
    strict: options.Strict = True,
    hooks: options.Hooks = True,
    as_json: options.Json = False,
) -> None:
    """Show how a parameter comes to its numbers; a parametrization; a rule of `mupfx check`."""
    from mupfx.commands import explain as command  # noqa: PLC0415 - torch

    if target is None and plan is None and table is None and command.is_rule(parameter):
        command.explain_rule(parameter, as_json=as_json)
        return
    if parameter == command.PAGE and target is None and plan is None:
        command.explain_table(table, as_json=as_json)
        return
    subject = None
    if target is not None:
        subject = Subject(target, arg, inputs, base, base_arg, override, base_depth, grow.value)
    wish = Wish(parametrization, init, strict, hooks, hyper)
    command.explain(parameter, table, subject, wish, plan, as_json=as_json)


@app.command()
def demo(*, as_json: options.Json = False) -> None:
    """Convert a small GPT, and measure how its updates grow with width, with and without muP."""
    from mupfx.commands.demo import demo as run  # noqa: PLC0415 - torch

    run(as_json=as_json)
