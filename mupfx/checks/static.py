"""All rules on what was read from models and optimizers, in the order of their codes."""

from collections.abc import Callable, Iterator

from mupfx.checks import (
    mup001_hidden_init,
    mup002_hidden_learning_rate,
    mup003_readout,
    mup004_attention_scale,
    mup005_input_weights,
    mup006_vectors,
    mup007_tied_weights,
    mup008_weight_decay,
    mup009_epsilon,
    mup010_residual_branches,
    mup011_applied_twice,
    mup012_never_applied,
    mup016_never_switched_on,
)
from mupfx.core.evidence import Evidence
from mupfx.core.finding import Finding

RULES: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    mup001_hidden_init.judge,
    mup002_hidden_learning_rate.judge,
    mup003_readout.judge,
    mup004_attention_scale.judge,
    mup005_input_weights.judge,
    mup006_vectors.judge,
    mup007_tied_weights.judge,
    mup008_weight_decay.judge,
    mup009_epsilon.judge,
    mup010_residual_branches.judge,
    mup011_applied_twice.judge,
    mup012_never_applied.judge,
    mup016_never_switched_on.judge,
)


def static_findings(evidence: Evidence) -> tuple[Finding, ...]:
    """What is wrong with what was read; nothing, where analysis refused."""
    return tuple(found for rule in RULES for found in rule(evidence))
