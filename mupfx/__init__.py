"""A compiler that puts any PyTorch model into the maximal-update parametrization.

>>> import mupfx, torch
>>> model = torch.nn.Sequential(torch.nn.Linear(8, 256), torch.nn.ReLU(), torch.nn.Linear(256, 4))
>>> model = mupfx.convert(model, torch.randn(2, 8), base=64)
>>> optimizer = mupfx.optimizer(torch.optim.AdamW, model, lr=1e-2)

Public names are loaded on first use, so that ``import mupfx`` costs no import of torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "Advice",
    "Analysis",
    "AnalysisError",
    "BaseError",
    "CaptureError",
    "ExportError",
    "Exported",
    "Finding",
    "Hyperparameters",
    "InitError",
    "Level",
    "LoweringError",
    "ModelError",
    "Muon",
    "MupfxError",
    "MupfxWarning",
    "Observations",
    "ObserveError",
    "OptimizerError",
    "OptimizerFamily",
    "ParametrizationError",
    "Plan",
    "PlanError",
    "Report",
    "Scaling",
    "TargetError",
    "Transfer",
    "Verdict",
    "__version__",
    "analyze",
    "build",
    "check",
    "check_groups",
    "clip_grad_norm_",
    "compare",
    "convert",
    "correct_feature_speed_",
    "diff",
    "emit",
    "explain_parametrization",
    "export",
    "init_",
    "muon_groups",
    "observe",
    "optimizer",
    "param_groups",
    "plan",
    "regauge_",
    "report",
    "rescale_",
    "save_base",
    "scaled",
    "scheduler",
    "suggest",
    "to_standard",
    "transfer",
]
__version__ = "0.1.0"

if TYPE_CHECKING:
    from mupfx.api import (
        analyze,
        build,
        compare,
        convert,
        explain_parametrization,
        plan,
        rescale_,
        save_base,
        suggest,
    )
    from mupfx.checking import Finding, Level, Report, Verdict, check, diff
    from mupfx.core.advice import Advice
    from mupfx.core.analysis import Analysis
    from mupfx.core.exported import Exported
    from mupfx.core.hyperparameters import Hyperparameters
    from mupfx.core.optimizer_family import OptimizerFamily, Scaling
    from mupfx.core.plan import Plan
    from mupfx.core.transfer import Transfer
    from mupfx.errors import (
        AnalysisError,
        BaseError,
        CaptureError,
        ExportError,
        InitError,
        LoweringError,
        ModelError,
        MupfxError,
        MupfxWarning,
        ObserveError,
        OptimizerError,
        ParametrizationError,
        PlanError,
        TargetError,
    )
    from mupfx.observables.observations import Observations
    from mupfx.observing import correct_feature_speed_, observe
    from mupfx.reporting import report
    from mupfx.shipping import emit, export, to_standard
    from mupfx.training import (
        Muon,
        check_groups,
        clip_grad_norm_,
        init_,
        muon_groups,
        optimizer,
        param_groups,
        regauge_,
        scaled,
        scheduler,
    )
    from mupfx.transferring import transfer
else:  # hidden from type checkers, which would take any name for granted
    _HOMES = {
        "mupfx.api": (
            "analyze build compare convert explain_parametrization plan rescale_ save_base suggest"
        ),
        "mupfx.checking": "check diff",
        "mupfx.core.advice": "Advice",
        "mupfx.core.analysis": "Analysis",
        "mupfx.core.exported": "Exported",
        "mupfx.core.finding": "Finding Level",
        "mupfx.core.hyperparameters": "Hyperparameters",
        "mupfx.core.optimizer_family": "OptimizerFamily Scaling",
        "mupfx.core.plan": "Plan",
        "mupfx.core.report": "Report Verdict",
        "mupfx.core.transfer": "Transfer",
        "mupfx.errors": (
            "AnalysisError BaseError CaptureError ExportError InitError LoweringError ModelError"
            " MupfxError MupfxWarning ObserveError OptimizerError ParametrizationError PlanError"
            " TargetError"
        ),
        "mupfx.observables.observations": "Observations",
        "mupfx.observing": "correct_feature_speed_ observe",
        "mupfx.reporting": "report",
        "mupfx.shipping": "emit export to_standard",
        "mupfx.training": (
            "Muon check_groups clip_grad_norm_ init_ muon_groups optimizer param_groups regauge_"
            " scaled scheduler"
        ),
        "mupfx.transferring": "transfer",
    }
    _HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

    def __getattr__(name: str) -> object:
        """Load a public name from its home on first use."""
        if home := _HOME_OF.get(name):
            return getattr(import_module(home), name)
        raise AttributeError(f"module 'mupfx' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
