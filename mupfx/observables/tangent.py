"""The tangent kernel on a few outputs, and its differential.

For outputs ``a, b`` and parameters ``k`` with learning rates ``eta_k``::

    kernel        K_ab  = sum_k eta_k  df_a/dw_k . df_b/dw_k
    differential  D_abc = sum_k eta_k  (d/dt df_a/dw_k) . df_c/dw_k,   w moving as eta_k df_b/dw_k

Sizes are root mean squares over entries; change and differential are relative to the kernel.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from mupfx.observables.graph import ModelGraph
from mupfx.observables.running import Inputs, RandomState, Run, Values, again, apart

OUTPUTS, DIFFERENTIAL = 8, 4
"""Most outputs of the kernel, and of these the first ones, of its differential."""
Derivatives = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a model is."""

    graph: ModelGraph
    values: Values
    names: Mapping[str, str]
    """First name of every parameter, by each of its names."""
    rates: Mapping[str, float]
    """Learning rate by first name; what has none is not trained."""
    arguments: Mapping[str, Any]
    random: RandomState
    """State of the generators that every run starts from."""


class _Output:
    """Keeps the one value that is asked for."""

    def __init__(self, node: fx.Node) -> None:
        self.node = node
        self.value: Tensor | None = None

    def see(self, node: fx.Node, value: Any, inputs: Inputs) -> None:
        """Keep it."""
        del inputs
        if node is self.node:
            self.value = value


def outputs(moment: Moment, most: int) -> Callable[[Derivatives], Tensor]:
    """A few entries of the output as a function of the parameters that are trained.

    Args:
        moment: Where the model is.
        most: Of the places in the first tensor of the result that the kernel is of, so many.
    """
    assert moment.graph.output is not None
    node = moment.graph.output
    fixed = {n: v.detach() for n, v in moment.values.items() if n in moment.names}

    def function(parameters: Derivatives) -> Tensor:
        watch = _Output(node)
        own = {n: parameters.get(first, fixed[n]) for n, first in moment.names.items()}
        Run(moment.graph, apart(moment.values, own), watch).on(moment.arguments)
        assert watch.value is not None
        flat = watch.value.reshape(-1)
        places = torch.linspace(0, len(flat) - 1, min(OUTPUTS, len(flat)), device=flat.device)
        return flat[places.round().long()[:most]]

    return function


def trained(moment: Moment) -> Derivatives:
    """Parameters with a learning rate, by first name."""
    return {
        first: moment.values[first].detach()
        for first in dict.fromkeys(moment.names.values())
        if moment.rates.get(first)
    }


def kernel(moment: Moment, *, functional: bool = True) -> Tensor:
    """The tangent kernel: one row and column an output.

    Args:
        moment: Where the model is.
        functional: By ``torch.func``; else by backpropagation alone, which every op has.
    """
    with again(moment.random):
        rows = _jacobian(outputs(moment, OUTPUTS), functional=functional)(trained(moment))
    return _product(rows, rows, moment.rates)


def differential(moment: Moment, *, functional: bool = True) -> Tensor:
    """How the kernel's rows change as training moves along each output."""
    function = _jacobian(outputs(moment, DIFFERENTIAL), functional=functional)
    parameters = trained(moment)
    along = _forwards if functional else _by_difference
    with again(moment.random):
        rows = function(parameters)
        found = []
        for i in range(len(next(iter(rows.values())))):
            way = {name: moment.rates[name] * rows[name][i] for name in parameters}
            found.append(_product(along(function, parameters, way), rows, moment.rates))
    return torch.stack(found)


def size(value: Tensor) -> float:
    """Root mean square over entries."""
    return float(value.double().pow(2).mean().sqrt())


def relative_change(start: Tensor, now: Tensor) -> float:
    """Of a kernel, to what it was at the start."""
    return float((now - start).norm() / start.norm())


Jacobian = Callable[[Derivatives], Derivatives]


def _jacobian(function: Callable[[Derivatives], Tensor], *, functional: bool) -> Jacobian:
    if functional:
        made: Jacobian = torch.func.jacrev(function, chunk_size=1)
        return made

    def by_rows(parameters: Derivatives) -> Derivatives:
        leaves = {name: p.detach().requires_grad_() for name, p in parameters.items()}
        with torch.enable_grad():
            found = function(leaves)
        rows = [
            torch.autograd.grad(
                out, list(leaves.values()), retain_graph=True, materialize_grads=True
            )
            for out in found
        ]
        return {name: torch.stack(each) for name, *each in zip(leaves, *rows, strict=True)}

    return by_rows


def _forwards(function: Jacobian, parameters: Derivatives, way: Derivatives) -> Derivatives:
    """The derivative of a Jacobian along a way."""
    found: Derivatives = torch.func.jvp(function, (parameters,), (way,))[1]
    return found


def _by_difference(function: Jacobian, parameters: Derivatives, way: Derivatives) -> Derivatives:
    """The same from a little to either side, as far as rounding and curvature hurt alike."""
    dtype = next(iter(parameters.values())).dtype
    size, length = (
        float(torch.stack([t.double().norm() for t in each.values()]).norm())
        for each in (parameters, way)
    )
    part = torch.finfo(dtype).eps ** (1 / 3) * size / length
    ahead, back = (
        function({n: p + by * way[n] for n, p in parameters.items()}) for by in (part, -part)
    )
    return {n: (ahead[n] - back[n]) / (2 * part) for n in parameters}


def _product(left: Derivatives, right: Derivatives, rates: Mapping[str, float]) -> Tensor:
    parts = [
        rates[name] * (left[name].flatten(1).double() @ right[name].flatten(1).double().T)
        for name in left
    ]
    return torch.stack(parts).sum(0)
