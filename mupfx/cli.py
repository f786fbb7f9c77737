"""The command line: options in, one module of ``mupfx.commands`` called.

Torch is imported by the command that runs, so ``mupfx --help`` answers at once. Exit status:
0 done, 1 a ``MupfxError``, 3 the command line itself was wrong.
"""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mupfx.commands import check_options as checks
from mupfx.commands import observe_options as observed
from mupfx.commands import options
from mupfx.commands import transfer_options as sweeps
from mupfx.commands.options import Grow, MultiplierPlace
from mupfx.commands.subject import Subject, Wish
from mupfx.errors import MupfxError, TargetError

_WRONG_USAGE = 3
_TYPER_USAGE = 2
_OTHER_ERROR = 1


class Ended(SystemExit):
    """A status that a command chose, 2 among them."""


class Commands(TyperGroup):
    """The commands, with our exit statuses, and our errors as plain text on stderr."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command line."""
        try:
            return super().main(*args, **kwargs)
        except MupfxError as error:
            typer.echo(f"{type(error).__name__}: {error}", err=True)
            usage = isinstance(error, TargetError)
            raise SystemExit(_WRONG_USAGE if usage else _OTHER_ERROR) from error
        except Ended:
            raise
        except SystemExit as stop:
            raise SystemExit(_WRONG_USAGE if stop.code == _TYPER_USAGE else stop.code) from stop


app = typer.Typer(
    cls=Commands,
    help="Put any PyTorch model into the maximal-update parametrization.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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
def check(  # noqa: PLR0913 - one a flag
    targets: checks.Targets = None,
    *,
    widths: checks.Widths = None,
    depths: checks.Depths = None,
    seeds: checks.Seeds = None,
    steps: checks.Steps = None,
    fast: checks.Fast = False,
    full: checks.Full = False,
    arg: options.Arguments = None,
    inputs: options.Inputs = None,
    parametrization: checks.Table = None,
    control: checks.Control = None,
    control_target: checks.ControlTarget = None,
    static: checks.Static = True,
    dynamic: checks.Dynamic = True,
    margin: checks.Margin = None,
    width_arg: checks.WidthArgument = None,
    depth_arg: checks.DepthArgument = None,
    seed_arg: checks.SeedArgument = None,
    format: checks.Formats = None,  # noqa: A002 - as the option is called
    out: checks.Files = None,
    config: checks.Config = None,
) -> None:
    """Check that a model follows its parametrization as it grows.

    Exit status: 0 pass, 1 fail, 2 inconclusive, 3 the target or the command line was wrong.
    """
    from mupfx.commands import check as command  # noqa: PLC0415 - torch

    settings = checks.given(
        widths=checks.numbers(widths, "--widths"),
        depths=checks.numbers(depths, "--depths"),
        seeds=seeds,
        steps=steps,
        fast=fast or None,
        full=full or None,
        arguments=command.read_arguments(arg),
        inputs=inputs or None,
        parametrization=parametrization,
        control=control if control_target is None else control_target,
        static=None if static else False,
        dynamic=None if dynamic else False,
        margin=margin,
        width_arg=width_arg,
        depth_arg=depth_arg,
        seed_arg=seed_arg,
    )
    formats = [each.value for each in format or ()]
    order = command.Order(targets or (), settings, formats, out or (), config)
    try:
        status = command.check(order)
    except MupfxError as error:  # of any kind: 1 says that a model failed
        typer.echo(command.explained(error), err=True)
        raise SystemExit(_WRONG_USAGE) from error
    raise Ended(status)


@app.command()
def diff(
    old: checks.OldPlan,
    new: checks.NewPlan,
    *,
    every_layer: options.EveryLayer = False,
    as_json: options.Json = False,
) -> None:
    """Show what a change did to a plan. 0 the same, 1 different."""
    from mupfx.commands.diff import diff as run  # noqa: PLC0415 - what plans are made of

    raise typer.Exit(int(run(old, new, as_json=as_json, every_layer=every_layer)))


@app.command()
def transfer(  # noqa: PLR0913 - one a flag
    target: sweeps.Target = "mupfx.demo.pretraining:gpt",
    *,
    widths: sweeps.Widths = "64,128,256,512",
    depths: sweeps.Depths = None,
    rates: sweeps.Rates = "2^-9:2^-5",
    seeds: sweeps.Seeds = 5,
    parametrization: sweeps.Tables = "mup,sp",
    base: sweeps.Width = None,
    base_depth: sweeps.Depth = None,
    arg: options.Arguments = None,
    steps: sweeps.Steps = 70,
    optimizer: sweeps.OptimizerName = "AdamW",
    optimizer_arg: sweeps.OptimizerArguments = None,
    warmup: sweeps.Warmup = 10,
    decay: sweeps.Fall = sweeps.Decay.LINEAR,
    extend: sweeps.Extend = 2,
    refine: sweeps.Refine = 0,
    tolerance: sweeps.Tolerance = 0.5,
    engine: sweeps.Who = sweeps.EngineName.LOCAL,
    jobs: sweeps.Jobs = None,
    out: sweeps.Folder,
    plot: sweeps.Plot = None,
    as_json: options.Json = False,
) -> None:
    """Train at learning rates and sizes: does the best rate stay? 0 yes, 1 no, 2 not certain."""
    from mupfx.commands import transfer as command  # noqa: PLC0415 - torch

    settings = {
        "widths": checks.numbers(widths, "--widths"),
        "depths": checks.numbers(depths, "--depths") or (),
        "rates": sweeps.rates(rates),
        "seeds": seeds,
        "parametrizations": sweeps.names(parametrization),
        "base": base,
        "base_depth": base_depth,
        "arguments": command.arguments(arg or ()),
        "steps": steps,
        "optimizer": optimizer,
        "hyperparameters": command.arguments(optimizer_arg or ()),
        "warmup": warmup,
        "decay": decay.value,
        "extend": extend,
        "refine": refine,
        "tolerance": tolerance,
        "engine": engine.value,
        "jobs": jobs,
    }
    raise Ended(command.transfer(target, out, settings, plot or (), as_json=as_json))


@app.command()
def observe(  # noqa: PLR0913 - one a flag
    target: options.Target,
    *,
    widths: checks.Widths = None,
    depths: checks.Depths = None,
    seeds: observed.Seeds = 1,
    steps: observed.Steps = "4",
    what: observed.What = "coordinates,updates,output,feature_speed,richness,gamma",
    arg: options.Arguments = None,
    inputs: options.Inputs = None,
    out: observed.Out = None,
    as_json: options.Json = False,
) -> None:
    """Train every size of a target, and write down what is seen: updates, kernels, angles."""
    from mupfx.commands.observe import observe as run  # noqa: PLC0415 - torch

    taken = checks.numbers(steps, "--steps") or (4,)
    settings = {
        "widths": checks.numbers(widths, "--widths") or (),
        "depths": checks.numbers(depths, "--depths") or (),
        "seeds": seeds,
        "steps": taken if len(taken) > 1 else taken[0],
        "what": observed.names(what),
        "inputs": inputs or None,
    }
    run(target, settings, arg, out, as_json=as_json)


@app.command()
def demo(*, as_json: options.Json = False) -> None:
    """Convert a small GPT, and measure how its updates grow with width, with and without muP."""
    from mupfx.commands.demo import demo as run  # noqa: PLC0415 - torch

    run(as_json=as_json)


@app.command()
def report(  # noqa: PLR0913 - one a flag
    target: options.ReportTarget = None,
    *,
    out: options.Page,
    check: options.CheckFile = None,
    transfer: options.TransferFolder = None,
    observe: options.ObservedFile = None,
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
    every_layer: options.EveryLayer = False,
) -> None:
    """Write one HTML page of a model: its graph, its plan, and what was measured of it."""
    from mupfx.commands import report as command  # noqa: PLC0415 - torch

    subject = None
    if target is not None:
        subject = Subject(target, arg, inputs, base, base_arg, override, base_depth, grow.value)
    wish = Wish(parametrization, init, strict, hooks, hyper)
    command.report(
        subject, wish, out, command.Sources(plan, check, transfer, observe), every_layer=every_layer
    )


@app.command()
def plot(file: options.Measured, *, out: options.Figure, only: options.Quantities = None) -> None:
    """Draw what a check, a sweep or observations wrote, as a figure for papers."""
    from mupfx.commands.plot import plot as run  # noqa: PLC0415 - torch

    run(file, out, only or ())


def main() -> None:
    """Entry point."""
    app(prog_name="mupfx")
