"""Commands that measure: models of several sizes, trained or compared, and pages of it."""

import typer

from mupfx.cli.app import WRONG_USAGE, Ended, app
from mupfx.commands import check_options as checks
from mupfx.commands import observe_options as observed
from mupfx.commands import options
from mupfx.commands import transfer_options as sweeps
from mupfx.commands.options import Grow
from mupfx.commands.subject import Subject, Wish
from mupfx.errors import MupfxError


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
        raise SystemExit(WRONG_USAGE) from error
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
    """Train at learning rates and sizes: does the best rate stay?

    Exit status: 0 yes, 1 no, 2 not certain, 3 the target or the command line was wrong.
    """
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
    try:
        status = command.transfer(target, out, settings, plot or (), as_json=as_json)
    except MupfxError as error:  # of any kind: 1 says that the best rate moves
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise SystemExit(WRONG_USAGE) from error
    raise Ended(status)


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
