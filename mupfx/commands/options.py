"""The options that commands share, as annotated types; no torch here."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Pass(StrEnum):
    """Passes whose result can be printed."""

    CAPTURE = "capture"
    NORMALIZE = "normalize"
    AXES = "axes"
    ROLES = "roles"
    STREAMS = "streams"
    SITES = "sites"
    PLAN = "plan"


class Format(StrEnum):
    """What ``export`` writes."""

    STATE_DICT = "state_dict"
    SAFETENSORS = "safetensors"
    HF = "hf"
    PT2 = "pt2"
    ONNX = "onnx"
    PYTHON = "python"


class MultiplierPlace(StrEnum):
    """Where ``export`` puts multipliers."""

    WEIGHTS = "weights"
    CONFIG = "config"


class Grow(StrEnum):
    """What grows when attention gets wider."""

    HEADS = "heads"
    HEAD_DIM = "head_dim"


_TARGET = (
    "package.module:callable or file.py:callable; returns model or (model, args[, kwargs])."
    " Or hf:config.json, 'hf:LlamaForCausalLM(hidden_size=64)', timm:resnet50."
)
Target = Annotated[str, typer.Argument(help=_TARGET)]
ReportTarget = Annotated[str | None, typer.Argument(help=_TARGET)]
TargetOption = Annotated[str | None, typer.Option("--target", help=_TARGET)]
Arguments = Annotated[
    list[str] | None,
    typer.Option("--arg", metavar="NAME=VALUE", help="Argument of the target; of hf: a field."),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="SPEC",
        help="Input to run the model on: 'float32[2,3,32,32]', 'int64[2,16]<100' (integers below"
        " 100), 'mask=bool[2,16]' (by keyword).",
    ),
]
Base = Annotated[
    list[str] | None,
    typer.Option(
        "--base",
        metavar="BASE",
        help="The base: its width, class=size (repeatable), a target, saved base, plan of a base,"
        " or .bsh.",
    ),
]
BaseArguments = Annotated[
    list[str] | None,
    typer.Option(
        "--base-arg",
        metavar="NAME=VALUE",
        help="The base is what the target returns with this argument changed.",
    ),
]
BaseDepth = Annotated[
    list[str] | None,
    typer.Option(
        "--base-depth",
        metavar="DEPTH",
        help="Residual adds of the base, where other: a number, or stream=number (repeatable).",
    ),
]
GrowBy = Annotated[
    Grow, typer.Option("--grow", help="What grows with width: the number of heads or their size.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--override", metavar="CLASS=KIND", help="Settle a factor class: width or finite."
    ),
]
Rules = Annotated[
    str,
    typer.Option(
        "--parametrization",
        metavar="NAME",
        help="Table of exponents: mup, sp, 'meta(0.5)', a .toml file; all of them:"
        " mupfx explain parametrization.",
    ),
]
Choices = Annotated[
    list[str] | None,
    typer.Option(
        "--hyper",
        metavar="NAME=VALUE",
        help="output_multiplier, embedding_multiplier, attention_multiplier, attention_exponent"
        " (1/2 for 1/sqrt(head_dim)), zero_readout=True, zero_query=True.",
    ),
]
Laws = Annotated[
    list[str] | None,
    typer.Option(
        "--init", metavar="PATTERN=LAW", help="Law of initialisation, where values do not tell."
    ),
]
Strict = Annotated[
    bool, typer.Option(help="Refuse what is not certain enough to give a number, or warn.")
]
Hooks = Annotated[bool, typer.Option(help="Allow hooks for multipliers that no weight can carry.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
EveryLayer = Annotated[bool, typer.Option("--all", help="Print each layer, not one of a kind.")]
DumpAfter = Annotated[
    Pass | None,
    typer.Option(
        "--dump-after",
        metavar="PASS",
        help=f"Print what a pass made, and stop: {', '.join(Pass)}.",
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out", metavar="DIR", help="Folder for the weights, plan.json and param_groups.json."
    ),
]
ExportFormat = Annotated[
    Format | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help=f"{', '.join(Format)}; a file's suffix says it: .pt, .safetensors, .pt2, .onnx.",
    ),
]
ExportPath = Annotated[
    Path,
    typer.Option("--out", metavar="PATH", help="File, or a new folder for hf and python."),
]
TrainedWeights = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        help="Trained state dict of the converted model, .pt or .safetensors.",
    ),
]
Multipliers = Annotated[
    MultiplierPlace,
    typer.Option(
        "--multipliers",
        help="Into the weights, or, with hf, into the fields that the configuration has for them.",
    ),
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        "--tolerance",
        metavar="ERROR",
        help="Largest relative error to accept; else that of the format and dtype.",
    ),
]
EmitOut = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder for init_kernels.py, plan.json and param_groups.json.",
    ),
]
PlanFile = Annotated[
    Path | None, typer.Option("--plan", metavar="FILE", help="A plan.json written by convert.")
]
Page = Annotated[Path, typer.Option("--out", metavar="FILE", help="The HTML file to write.")]
CheckFile = Annotated[
    Path | None,
    typer.Option("--check", metavar="FILE", help="Show what `mupfx check --out check.json` wrote."),
]
TransferFolder = Annotated[
    Path | None,
    typer.Option("--transfer", metavar="DIR", help="Show what `mupfx transfer` wrote there."),
]
ObservedFile = Annotated[
    Path | None,
    typer.Option("--observe", metavar="FILE", help="Show a table of `mupfx observe`, as CSV."),
]
Measured = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="JSON of `mupfx check` or `mupfx transfer`, its folder, or CSV of `mupfx observe`.",
    ),
]
Figure = Annotated[Path, typer.Option("--out", metavar="FILE", help="PNG, SVG or PDF to write.")]
Quantities = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="QUANTITY", help="Of observations: draw this one (repeatable)."),
]
