"""What happens to models after a conversion, and what becomes of their multipliers.

A row does one such thing to a model whose multipliers are folded, in a hook, carried or nodes of a
graph, and says what came of it: the same function, a warning, or a refusal. A change that nobody
was told of is ``SILENT``.
"""

import copy
import io
import pickle
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

import mupfx
from mupfx.errors import MupfxWarning
from tests.standards import BASE, HEADS, SIZE, Fused, heads

SAME, WARNED, REFUSED, SILENT = "same", "warned", "refused", "SILENT"
ROUNDING, BFLOAT16, INT8 = 1e-5, 0.05, 0.1
Row = Callable[[Any, Tensor], tuple[Tensor, Tensor]]
"""What comes out, and what should."""


class Apart(nn.Module):
    """Queries of a layer of their own, which carries their multiplier."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.both, self.k, self.v = (nn.Linear(16, HEADS * size) for _ in range(3))
        self.out = nn.Linear(HEADS * size, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = heads(self.both(x)), heads(self.k(x)), heads(self.v(x))
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class Together(Fused):
    """Queries, keys and values of one layer; of as many inputs as int8 kernels ask for."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.both = nn.Linear(16, 3 * HEADS * size)


SUBJECTS: Mapping[str, tuple[type[Any], dict[str, Any]]] = {
    "folded": (Apart, {}),
    "hook": (Together, {}),
    "carried": (Together, {"gauge": "unit"}),
    "graph": (Together, {"lowering": "graph"}),
}


def inputs() -> Tensor:
    return torch.randn(2, 4, 16, generator=torch.Generator().manual_seed(1))


def plain(name: str) -> Any:
    """Not converted."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SUBJECTS[name][0](SIZE)


@cache
def _converted(name: str) -> Any:
    kind, options = SUBJECTS[name]
    return mupfx.convert(plain(name), inputs(), base=kind(BASE), **options)


def converted(name: str) -> Any:
    return copy.deepcopy(_converted(name))


def compiled(model: nn.Module) -> Any:
    return torch.compile(model, backend="aot_eager")


def copied(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    return copy.deepcopy(model)(x), model(x)


def pickled(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    return pickle.loads(pickle.dumps(model))(x), model(x)


def saved(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)(x), model(x)


def compiled_after(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    expected = model(x)
    return compiled(model)(x), expected


def compiled_beside(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """After another model of the class, which was not converted."""
    expected = model(x)
    other = Together(SIZE) if hasattr(model, "both") and not hasattr(model, "k") else Apart(SIZE)
    compiled(other)(x)
    return compiled(model)(x), expected


def exported(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    return torch.export.export(model, (x,)).module()(x), model(x)


def halved(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    expected = model(x)
    found = model.to(torch.bfloat16)(x.bfloat16())
    assert found.dtype is torch.bfloat16
    return found.float(), expected


def adapted(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """LoRA on the layer of the queries, trained and merged."""
    config = LoraConfig(r=2, target_modules=["both"], init_lora_weights=False)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        wrapped: Any = get_peft_model(model, config)
    expected = wrapped(x).detach()
    return wrapped.merge_and_unload()(x), expected


def adapted_after(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    return adapted(mupfx.to_standard(model), x)


def quantised(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Integer weights and activations, on the converted model itself."""
    expected = model(x).detach()
    quantize_(model, Int8DynamicActivationInt8WeightConfig())
    return model(x), expected


def quantised_after(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    expected = model(x).detach()
    return quantised(mupfx.to_standard(model), x)[0], expected


def trained(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """A step after a copy is the step of the model."""
    twin = pickle.loads(pickle.dumps(model))
    for one in (model, twin):
        optimizer = mupfx.optimizer(torch.optim.AdamW, one, lr=1e-2)
        torch.autograd.backward(one(x).square().mean())
        optimizer.step()
    return twin(x), model(x)


ROWS: Mapping[str, tuple[Row, float]] = {
    "deepcopy": (copied, 0.0),
    "pickle": (pickled, 0.0),
    "torch.save": (saved, 0.0),
    "pickle, then train": (trained, 0.0),
    "torch.compile": (compiled_after, ROUNDING),
    "torch.compile beside one that is not converted": (compiled_beside, ROUNDING),
    "torch.export": (exported, ROUNDING),
    "to(bfloat16)": (halved, BFLOAT16),
    "LoRA, merged": (adapted, ROUNDING),
    "LoRA after to_standard": (adapted_after, ROUNDING),
    "int8 of torchao": (quantised, INT8),
    "int8 of torchao after to_standard": (quantised_after, INT8),
}


def compiled_before(name: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """A compiled model is converted, after it ran."""
    kind, options = SUBJECTS[name]
    model = compiled(plain(name))
    model(x)
    return mupfx.convert(model, x, base=kind(BASE), **options)(x), converted(name)(x)


def outcome(row: str, name: str) -> tuple[str, str]:
    """What came of it, and how far it is off or what was said."""
    x = inputs()
    if row == "torch.compile before":
        return _judged(lambda: compiled_before(name, x), ROUNDING)
    do, tolerance = ROWS[row]
    return _judged(lambda: do(converted(name), x), tolerance)


EVERY = ("torch.compile before", *ROWS)


def _judged(run: Callable[[], tuple[Tensor, Tensor]], tolerance: float) -> tuple[str, str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found, expected = run()
        except Exception as error:  # noqa: BLE001 - whoever refuses, with whatever
            return REFUSED, f"{type(error).__name__}: {str(error).splitlines()[0]}"
    apart = float((found - expected).detach().abs().max() / expected.detach().abs().max())
    if apart <= tolerance:
        return SAME, f"{apart:.1e}"
    told = [str(w.message) for w in caught if issubclass(w.category, MupfxWarning)]
    return (WARNED, told[0]) if told else (SILENT, f"{apart:.1e}")
