"""Recognise the laws that values were drawn from, and rescale them to what the plan asks for.

::

    sizes    role, shapes -> Fans       what a law may depend on, here and at the base
    sample   Tensor -> Sample           moments, edges, orthogonality
    fit      Sample, Fans -> Fit        every known law that explains them, with its surprise
    match    Fit -> Match               one tensor's law, from its own values
    settle   Match -> Match             what is certain of some tensors speaks for others
    captured Drawn -> Fit              what a factory was seen to ask for, here and at the base
    choose   init={...} -> Law          what the user says comes first
    laws     Match -> ParameterPlan     the factor, or the refusal
    rescale  ParameterPlan -> values    in place

A transformer of 0.02 everywhere gives ``constant_normal``; its hidden weights get ratio^-1/2.
"""

from mupfx.passes.initialize.captured import Captured
from mupfx.passes.initialize.choose import distribution_of
from mupfx.passes.initialize.fit import Context
from mupfx.passes.initialize.laws import Hints, documented_laws, finish_init, plan_init
from mupfx.passes.initialize.match import Match, recognise
from mupfx.passes.initialize.rescale import rescale_
from mupfx.passes.initialize.sample import one_value
from mupfx.passes.initialize.sizes import fans_of

__all__ = [
    "Captured",
    "Context",
    "Hints",
    "Match",
    "distribution_of",
    "documented_laws",
    "fans_of",
    "finish_init",
    "one_value",
    "plan_init",
    "recognise",
    "rescale_",
]
