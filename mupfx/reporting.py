"""A page and figures of what is known of a model, for people."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from mupfx.checks import rules
from mupfx.core.hyperparameters import NO_CHOICES, Hyperparameters
from mupfx.core.parametrization import Parametrization
from mupfx.core.plan import Plan
from mupfx.core.report import Report
from mupfx.core.transfer import Transfer
from mupfx.errors import MupfxError
from mupfx.observables.observations import Observations
from mupfx.pipeline.analysis import Options
from mupfx.pipeline.reporting import Wanted, described, exponents, require_of_one_model
from mupfx.render.page.facts import Facts
from mupfx.render.page.page import page
from mupfx.tables.parametrizations import parametrization as table_of

__all__ = ["report"]


def report(  # noqa: PLR0913 - each is an answer that only the user can give
    model: nn.Module | Plan,
    path: str | Path,
    args: object = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    base: Any = None,
    base_depth: int | Mapping[str, int] | None = None,
    parametrization: str | Path | Parametrization = "mup",
    hyperparameters: Hyperparameters | None = None,
    grow: str = "heads",
    strict: bool = True,
    overrides: Mapping[str, str] | None = None,
    init: Mapping[str, str] | None = None,
    hooks: bool = True,
    check: Report | None = None,
    transfer: Transfer | None = None,
    observe: Observations | None = None,
    title: str | None = None,
    every_layer: bool = False,
) -> Path:
    """Write one HTML page of a model: its graph, its plan, and what was measured of it.

    The page is one file that loads nothing: it can be opened, sent and printed.

    Args:
        model: Any module, or a factory; it is left as it is. Of a converted one its own plan is
            shown. A plan alone gives a page without the graph.
        path: The file to write.
        args: As for ``convert``, like all arguments that are not named here.
        kwargs: Keyword example inputs.
        base: The model whose hyperparameters were tuned; without one there is no plan, only roles.
        base_depth: Residual adds at the base, where that differs.
        parametrization: A table, or its name.
        hyperparameters: Multipliers, zero inits and the exponent of attention, if they were tuned.
        grow: What grows in attention when the base does not say.
        strict: Refuse what is not certain enough to give a number, instead of warning.
        overrides: Factor classes that are ``"width"`` or ``"finite"``.
        init: Laws of initialisation, where values do not tell.
        hooks: False refuses what cannot be folded into weights.
        check: What ``mupfx.check`` returned.
        transfer: What ``mupfx.transfer`` returned.
        observe: What ``mupfx.observe`` returned.
        title: Of the page; else the model's class.
        every_layer: Show each layer, not one of a kind.

    Returns:
        The path.

    Raises:
        MupfxError: As for ``convert``; or what was measured is of another model; or the file
            cannot be written.
    """
    name = title or ("plan" if isinstance(model, Plan) else _name_of(model))
    if isinstance(model, Plan):
        facts = Facts(name, None, model)
    else:
        wanted = Wanted(
            table_of(parametrization),
            base,
            hyperparameters or NO_CHOICES,
            strict,
            hooks,
            init or {},
            Options(base_depth, grow=grow, overrides=overrides or {}),
        )
        found = described(model, args, kwargs or {}, wanted)
        facts = Facts(name, *found)
    measured = {
        "the check": _measured(check) if check else (),
        "what was observed": [row.parameter for row in observe.rows] if observe else (),
    }
    require_of_one_model(facts.analysis, facts.plan, measured)
    whole = replace(facts, check=check, rules=rules(), transfer=transfer, every_layer=every_layer)
    if observe is not None:
        whole = replace(whole, observed=observe.rows, exponents=exponents(observe))
    return _written(page(whole), Path(path))


def _measured(check: Report) -> list[str]:
    return [*(q.parameter for q in check.quantities), *(s.parameter for s in check.slopes)]


def _name_of(model: object) -> str:
    return str(getattr(model, "__name__", type(model).__name__))


def _written(text: str, path: Path) -> Path:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MupfxError("the page cannot be written", where=str(path), found=str(error)) from error
    return path
