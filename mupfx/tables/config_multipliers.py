"""Fields of configurations that multiply something in the forward pass, by what they multiply.

Keyed on fields, not on models: a configuration that has one takes the multiplier. What a field is
worth is multiplied by ``multiplier ** exponent``; that the model then is the same function is
found by running it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mupfx.core.vocabulary import SiteKind


@dataclass(frozen=True, slots=True)
class ConfigField:
    """A field, and how a multiplier of the plan changes it."""

    name: str
    exponent: int = 1


_LOGITS = (
    ConfigField("logits_scaling", -1),  # Granite: logits / logits_scaling
    ConfigField("lm_head_multiplier"),  # Falcon-H1: logits * lm_head_multiplier
    ConfigField("logit_scale"),  # Cohere: logits * logit_scale
    ConfigField("output_multiplier"),  # Muse: logits * output_multiplier
    ConfigField("logits_mup_width_multiplier", -1),  # Inkling: hidden / the multiplier
    ConfigField("dim_model_base"),  # MiniCPM: hidden / (hidden_size / dim_model_base)
)

FIELDS: Mapping[SiteKind, tuple[ConfigField, ...]] = {
    SiteKind.EMBEDDING: (
        ConfigField("embedding_multiplier"),  # Granite, Falcon-H1
        ConfigField("scale_emb"),  # MiniCPM
        ConfigField("embedding_scale"),  # HRM
    ),
    SiteKind.ATTENTION: (
        ConfigField("attention_multiplier"),  # Granite: in place of 1/sqrt(head_dim)
        ConfigField("key_multiplier"),  # Falcon-H1
        ConfigField("query_pre_attn_scalar", -2),  # Gemma: 1/sqrt(the scalar)
    ),
    SiteKind.BRANCH: (
        ConfigField("residual_multiplier"),  # Granite
        ConfigField("scale_depth"),  # MiniCPM: scale_depth / sqrt(layers)
    ),
    SiteKind.TIED_READOUT: _LOGITS,
    SiteKind.READOUT: _LOGITS,
}
"""The first that a configuration has."""
