"""A plain model driven by microsoft/mup's own numbers: what a converted model must equal.

``Oracle.read("hf_llama")`` holds, per parameter, mup's multiplier of the layer's input, its factor
on the initial values and its factors in each optimizer's groups.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.oracle import models

NAMES = ("mlp_test", "cnn_test", "mlp_example", "hf_gpt2", "hf_gpt2_tied", "hf_llama", "hf_bert")
MUP_CLASS: Mapping[type[torch.optim.Optimizer], str] = {
    torch.optim.SGD: "MuSGD",
    torch.optim.Adam: "MuAdam",
    torch.optim.AdamW: "MuAdamW",
}


@dataclass(frozen=True)
class Oracle:
    """One file."""

    name: str
    base: int
    target: int
    parameters: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, name: str) -> "Oracle":
        data = json.loads((Path(__file__).parent / f"{name}.json").read_text())
        return cls(name, data["meta"]["base"], data["meta"]["target"], data["params"])

    @property
    def ratio(self) -> int:
        return self.target // self.base

    @property
    def constant_std(self) -> bool:
        """Hugging Face draws every weight with one std; the others use torch's fan-in laws."""
        return self.name.startswith("hf_")

    def build(self, width: int) -> nn.Module:
        """The plain model, in double precision, without dropout."""
        builder: Callable[[int], nn.Module] = getattr(models, self.name)
        torch.manual_seed(0)
        return builder(width).double().eval()

    def example(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments and keywords the model runs on."""
        if self.constant_std:
            return (), {"input_ids": torch.arange(32).reshape(2, 16)}
        shape = (2, 3, 32, 32) if self.name == "cnn_test" else (2, 3072)
        return (torch.linspace(-1, 1, math.prod(shape)).double().reshape(shape),), {}

    def init_factor(self, parameter: str) -> float:
        """What mup multiplies the values by that the plain model was drawn with.

        The tied embedding keeps its std (mup scales it up with the ratio: a reported bug).
        """
        p = self.parameters[parameter]
        if not self.constant_std:
            return float(p["rescale"] or 1)
        return float(p["init"]["normal_std0.02"]["ratio_to_base"]) if "init" in p else 1.0

    def readouts(self) -> dict[str, float]:
        """Modules whose input mup multiplies, and by what."""
        return {
            module: p["fwd"]
            for p in self.parameters.values()
            for module, kind in zip(p["module_name"], p["module"], strict=True)
            if p["fwd"] != 1 and kind != "Embedding"
        }


def drive(
    oracle: Oracle, model: nn.Module, optimizer: type[torch.optim.Optimizer], **hyper: Any
) -> torch.optim.Optimizer:
    """Put mup's numbers on a plain model: init, readout inputs, logit scale, optimizer groups."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.mul_(oracle.init_factor(name))
    for module, factor in oracle.readouts().items():
        hook = lambda _, args, factor=factor: (args[0] * factor, *args[1:])  # noqa: E731
        model.get_submodule(module).register_forward_pre_hook(hook)
    rewrite_attention(oracle, model)
    groups = [group(oracle, name, p, optimizer, hyper) for name, p in model.named_parameters()]
    return optimizer(groups, **hyper)


def rewrite_attention(oracle: Oracle, model: nn.Module) -> None:
    """What mup leaves to its users: logits over head_dim, not its root, where head_dim grows."""
    for module in model.modules():
        if oracle.name.startswith("hf_gpt2") and isinstance(
            getattr(module, "scaling", None), float
        ):
            module.scaling = module.scaling / math.sqrt(oracle.ratio)  # type: ignore[assignment,operator]


def group(
    oracle: Oracle,
    name: str,
    parameter: nn.Parameter,
    optimizer: type[torch.optim.Optimizer],
    hyper: Mapping[str, Any],
) -> dict[str, Any]:
    """One parameter's group with mup's factors."""
    numbers, mup_class = oracle.parameters[name], MUP_CLASS[optimizer]
    return {
        "params": [parameter],
        "lr": hyper["lr"] * numbers["lr"][mup_class],
        "weight_decay": hyper.get("weight_decay", 0.0) * (numbers["wd"][mup_class] or 0),
    }
