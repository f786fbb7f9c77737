"""The public functions; what each one does is a pipeline of passes, and it is spelled out there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import nn

from mupfx.core.advice import Advice
from mupfx.core.analysis import Analysis
from mupfx.core.conversion import is_standard
from mupfx.core.hyperparameters import Hyperparameters
from mupfx.core.parametrization import Parametrization
from mupfx.core.plan import Plan
from mupfx.errors import InitError, MupfxError
from mupfx.passes.advice import advise
from mupfx.passes.capture import unwrapped
from mupfx.passes.laws import record_shapes
from mupfx.passes.preflight import preflight
from mupfx.pipeline.analysis import Options, positional, run_analysis
from mupfx.pipeline.bases import Base, made_by, read_base, write_base
from mupfx.pipeline.building import (
    Memory,
    all_on_meta,
    factories,
    materialise,
    require_starts,
)
from mupfx.pipeline.comparing import compare as compared
from mupfx.pipeline.dump import dump
from mupfx.pipeline.graph import lower_to_graph
from mupfx.pipeline.lowering import converted, finish, require_unconverted
from mupfx.pipeline.planning import Request, make_plan
from mupfx.pipeline.regauging import lower_into
from mupfx.pipeline.unconverted import in_force
from mupfx.render.comparison import comparison_document
from mupfx.render.parametrization import parametrization_document, parametrizations_document
from mupfx.render.text import plain
from mupfx.tables.parametrizations import one_of_each
from mupfx.tables.parametrizations import parametrization as table_of

__all__ = [
    "analyze",
    "build",
    "compare",
    "convert",
    "dump",
    "explain_parametrization",
    "plan",
    "rescale_",
    "save_base",
    "suggest",
]

Model = TypeVar("Model", bound=nn.Module)
Growth = {"heads", "head_dim"}
LOWERINGS = ("eager", "graph")


def analyze(  # noqa: PLR0913 - each is an answer that only the user can give
    model: nn.Module,
    args: object = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    base: Base | None = None,
    base_depth: int | Mapping[str, int] | None = None,
    grow: str = "heads",
    overrides: Mapping[str, str] | None = None,
) -> Analysis:
    """Trace a model once and infer what every axis and every parameter is.

    Args:
        model: Any module, on any one device, meta included. It is left as it is.
        args: Positional example inputs; a single tensor may stand for itself.
        kwargs: Keyword example inputs.
        base: The model this one was widened from, in any form that ``convert`` takes.
        base_depth: Residual adds at the base, where that differs.
        grow: Without a base model: ``"heads"`` if wider means more heads, ``"head_dim"`` if wider
            heads.
        overrides: Factor classes, by name or label (several: ``c{2..5}``), that are ``"width"``
            or ``"finite"``.

    Raises:
        CaptureError: The inputs do not fit, or tracing failed.
        ModelError: The model is in a state that cannot be analysed.
        BaseError: The base does not fit the model.

    >>> import torch
    >>> net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> [str(r.role) for r in analyze(net, torch.ones(1, 3)).roles.values()]
    ['input', 'vector', 'output', 'scalar']
    """
    preflight(model)
    options = _options(base_depth, grow, overrides)
    given = None if base is None else read_base(base)
    return run_analysis(model, positional(args), kwargs or {}, given, options)


def convert(  # noqa: PLR0913 - each is an answer that only the user can give
    model: Model | Callable[[], Model],
    args: object = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    base: Base | None,
    base_depth: int | Mapping[str, int] | None = None,
    parametrization: str | Path | Parametrization = "mup",
    hyperparameters: Hyperparameters | None = None,
    grow: str = "heads",
    strict: bool = True,
    overrides: Mapping[str, str] | None = None,
    init: Mapping[str, str] | str | None = None,
    hooks: bool = True,
    gauge: str = "fold",
    exact: bool = False,
    lowering: str = "eager",
) -> Model:
    """Put a freshly initialised model into a parametrization, in place.

    Values are rescaled, the plan for the optimizer is attached, and multipliers that no weight can
    carry become small hooks. At the base's own size nothing changes, bit for bit. Either all of it
    happens, or the model is as it was.

    Args:
        model: The module to convert; its class, code and parameter names stay. Or a factory
            without arguments: the laws that it draws parameters from are then seen, not matched.
        args: Positional example inputs; a single tensor may stand for itself.
        kwargs: Keyword example inputs.
        base: The model whose hyperparameters were tuned: the residual stream's width as an int, a
            dict of factor class sizes, a module (meta is fine), a factory without arguments, a file
            of ``save_base`` or ``mupfx convert``, or a ``.bsh`` file of microsoft/mup.
        base_depth: Residual adds at the base, where that differs (a parallel block counts one); by
            stream, if there are several. A base model shows its own to a table with depth rules.
        parametrization: A table's name, as ``"mup"`` or ``"meta(0.5)"``, a ``.toml`` file, or a
            table; ``mupfx.explain_parametrization()`` lists them.
        hyperparameters: Multipliers, zero inits and the exponent of attention, if they were tuned.
        grow: What grows in attention when the base does not say: ``"heads"`` or ``"head_dim"``.
        strict: Refuse what is not certain enough to give a number, instead of warning.
        overrides: Factor classes, by name or label (several: ``c{2..5}``), that are ``"width"``
            or ``"finite"``.
        init: Laws of initialisation by parameter name or pattern, where values do not tell; or
            ``"keep"`` for a trained model, whose values and function stay as they are. What
            ``to_standard`` gave back is kept where nothing is said.
        hooks: False refuses what cannot be folded into weights, and folds tied readouts into the
            norm before them.
        gauge: How effective weights are stored: ``"fold"`` as they are, at no cost; ``"mup"`` with
            readouts multiplied by 1/fan_in, as microsoft/mup does; ``"unit"`` with unit variance.
            All train alike.
        exact: Round the multipliers of the gauge to powers of two; training agrees bit for bit.
        lowering: ``"eager"`` keeps the module; ``"graph"`` gives a ``torch.fx.GraphModule`` over
            the same parameters, in which every multiplier is a named node, and none is folded. It
            follows ``train()`` and ``eval()``; the model itself is done with.

    Returns:
        The same model object, the one that the factory made, or its graph.

    Raises:
        MupfxError: Its subclass says what does not fit; the model is then unchanged.
    """
    _require_lowering(lowering)
    model, drawn = made_by(model)
    require_unconverted(model)
    preflight(model)
    asked = table_of(parametrization)
    table, choices = in_force(asked, hyperparameters)
    laws, keep = _laws(model, init)
    request = Request(table, read_base(base), strict, hooks, laws, choices, keep, lowering, drawn)
    options = _growing(asked, base_depth, grow, overrides)
    call = tuple(positional(args)), kwargs or {}
    inner = model if lowering == "graph" else unwrapped(model)[0]
    analysis = run_analysis(inner, *call, request.base, options)
    planned = make_plan(inner, analysis, request)
    if lowering == "graph":
        return lower_to_graph(model, (analysis, planned), call, gauge, exact=exact)  # type: ignore[return-value]
    lower_into(inner, planned, gauge, exact=exact)
    return model


def build(  # noqa: PLR0913 - each is an answer that only the user can give
    factory: Callable[..., Model],
    args: object = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    base: Base | Mapping[str, Any] | None,
    device: str | torch.device = "cpu",
    shard: Callable[[Any], object] | None = None,
    seed: int = 0,
    nested: bool = False,
    base_depth: int | Mapping[str, int] | None = None,
    parametrization: str | Path | Parametrization = "mup",
    hyperparameters: Hyperparameters | None = None,
    grow: str = "heads",
    strict: bool = True,
    overrides: Mapping[str, str] | None = None,
    init: Mapping[str, str] | None = None,
    hooks: bool = True,
    gauge: str = "fold",
    exact: bool = False,
    **sizes: Any,
) -> Model:
    """Build a model in a parametrization, of any size: no tensor is ever there but in its place.

    The factory is called without memory for what it draws, and watched; the model is converted as
    by ``convert``, sharded, given memory, and filled by the same laws, scaled. Values depend on the
    seed, the parameter's name and the place in it alone: not on device, sharding or processes.

    Args:
        factory: Makes the model; called with ``sizes``.
        args: As for ``convert``, like all arguments that are not named here.
        kwargs: Keyword example inputs.
        base: As for ``convert``; or arguments of the factory: ``base={"width": 256}, width=8192``.
        device: Where values go; ``"meta"`` leaves them out, for one's own initialisation and
            ``rescale_``.
        shard: Takes the model without values and spreads it, in place or as what it returns:
            ``fully_shard``, ``parallelize_module``.
        seed: Of the values; of 64 bits.
        nested: Draw matrices so that each is the corner of those of its name in wider models.
        base_depth: Residual adds at the base, where that differs.
        parametrization: A table, or its name.
        hyperparameters: Multipliers, zero inits and the exponent of attention, if they were tuned.
        grow: What grows in attention when the base does not say.
        strict: Refuse what is not certain enough to give a number, instead of warning.
        overrides: Factor classes that are ``"width"`` or ``"finite"``.
        init: Laws of initialisation, where the base shows none.
        hooks: False refuses what cannot be folded into weights.
        gauge: How effective weights are stored.
        exact: Round the multipliers of the gauge to powers of two.
        **sizes: Arguments of the factory.

    Raises:
        MupfxError: Its subclass says what does not fit.

    >>> def model(width):
    ...     return nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))
    >>> import torch
    >>> net = build(model, torch.ones(1, 3), base={"width": 8}, width=64)
    >>> plan(net).parameters["2.weight"].init.law
    'kaiming_uniform_'
    """
    target, smaller = factories(factory, base, sizes)
    made = record_shapes(target, seed)
    asked = table_of(parametrization)
    table, choices = in_force(asked, hyperparameters)
    given = read_base(smaller, shapes=True)
    request = Request(
        table, given, strict, hooks, init or {}, choices, drawn=made.laws, values=made.values
    )
    options = _growing(asked, base_depth, grow, overrides)
    preflight(made.model)
    with all_on_meta(made.model):
        analysis = run_analysis(made.model, positional(args), kwargs or {}, given, options)
    planned = make_plan(made.model, analysis, request)
    require_starts(made, planned.plan, analysis.unreached)
    lower_into(made.model, planned, gauge, exact=exact)
    memory = Memory(torch.device(device), shard, seed, nested)
    return cast("Model", materialise(made.model, made, memory))


def suggest(analysis: Analysis) -> tuple[Advice, ...]:
    """Advice on growing a model in depth: one entry for every residual stream.

    Args:
        analysis: What ``analyze`` found.

    Returns:
        The exponent that its blocks ask for, the table of that exponent, and, for blocks of one
        matrix, choices by which layers would learn more different features.
    """
    return advise(analysis.program, analysis.axes, analysis.streams)


def compare(  # noqa: PLR0913 - each is an answer that only the user can give
    model: nn.Module,
    args: object = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    base: Base,
    base_depth: int | Mapping[str, int] | None = None,
    parametrizations: Sequence[str | Path | Parametrization] | None = None,
    grow: str = "heads",
    overrides: Mapping[str, str] | None = None,
) -> str:
    """Several parametrizations of one model beside each other, as a table; nothing is changed.

    Args:
        model: As for ``convert``, like all other arguments.
        args: Positional example inputs.
        kwargs: Keyword example inputs.
        base: The model whose hyperparameters were tuned.
        base_depth: Residual adds at the base, where that differs.
        parametrizations: Which; None for every table, and one of each family.
        grow: What grows in attention when the base does not say.
        overrides: Factor classes that are ``"width"`` or ``"finite"``.

    Raises:
        MupfxError: As for ``convert``.
    """
    chosen = one_of_each() if parametrizations is None else tuple(map(table_of, parametrizations))
    preflight(model)
    options = _options(base_depth, grow, overrides)
    found = run_analysis(model, positional(args), kwargs or {}, read_base(base), options)
    return plain(comparison_document(compared(found, chosen)))


def plan(model: nn.Module) -> Plan:
    """The plan of a converted model, also through ``torch.compile``, DDP and EMA wrappers.

    Raises:
        PlanError: The model was not converted.
    """
    return converted(model)[1].plan


def explain_parametrization(parametrization: str | Path | Parametrization | None = None) -> str:
    """What a parametrization says, where it lies in the plane of widths, and what that predicts.

    Args:
        parametrization: As for ``convert``; None for a list of all there are.

    Raises:
        ParametrizationError: There is none of that name, or a file does not hold together.
    """
    if parametrization is None:
        return plain(parametrizations_document())
    return plain(parametrization_document(table_of(parametrization)))


def rescale_(model: Model) -> Model:
    """Rescale values that were made after converting on the meta device.

    Raises:
        PlanError: The model was not converted on meta, or still has no values.
        InitError: A law of initialisation is ambiguous.
    """
    finish(model)
    return model


def save_base(model: nn.Module | Analysis, path: str | Path) -> None:
    """Write the shapes of a base model to a file that ``base=`` takes.

    Raises:
        MupfxError: The file cannot be written.
    """
    if isinstance(model, Analysis):
        shapes = dict(model.program.shapes)
    else:
        shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    try:
        write_base(shapes, Path(path))
    except OSError as error:
        raise MupfxError(f"cannot write {str(path)!r}", found=str(error)) from error


def _laws(model: nn.Module, init: Mapping[str, str] | str | None) -> tuple[Mapping[str, str], bool]:
    """Laws that the user named, and whether the values are to stay."""
    if init is None:
        return {}, is_standard(model)
    if not isinstance(init, str):
        return init, False
    if init != "keep":
        raise InitError(f"init={init!r} says nothing", expected='"keep", or a dict of laws')
    return {}, True


def _require_lowering(lowering: str) -> None:
    if lowering not in LOWERINGS:
        raise MupfxError(
            f"lowering={lowering!r} says nothing", expected='"eager" or "graph"',
            hint='lowering="graph"',
        )  # fmt: skip


def _growing(
    table: Parametrization,
    base_depth: int | Mapping[str, int] | None,
    grow: str,
    overrides: Mapping[str, str] | None,
) -> Options:
    """What a user says about growth, and what a table needs to know of depth."""
    return replace(
        _options(base_depth, grow, overrides),
        infer_depth=table.depth is not None or table.plain is not None,
        layers=table.plain is not None,
    )


def _options(
    base_depth: int | Mapping[str, int] | None,
    grow: str,
    overrides: Mapping[str, str] | None,
) -> Options:
    if grow not in Growth:
        raise MupfxError(
            f"grow={grow!r} says nothing", expected='"heads" or "head_dim"', hint='grow="heads"'
        )
    return Options(base_depth, grow=grow, overrides=overrides or {})
