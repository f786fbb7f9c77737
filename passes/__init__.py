"""The pipeline, a module a pass; each reads results of earlier ones and makes its own.

::

    capture      model, example   -> Program           one flat ATen graph, the user's own names
    normalize    Program          -> Program           regions entered, no-ops gone
    axes         Program          -> Axes              factor classes, uses of parameters
    roles        Axes             -> ParameterRole     input, hidden, output, vector, scalar
    streams      Program, Axes    -> Streams           residual streams, branches, depth
    sites        Program, Axes    -> Site              attention logits, tied readouts
    assign       roles, ratios    -> ParameterPlan     numbers from a parametrization's table
    gauge        ParameterPlan    -> ParameterPlan     multipliers absorbed into weights
    initialize   model, plan      -> InitPlan          laws recognised, values rescaled
    fold         model, plan      -> SitePlan          multipliers of sites put into weights
    multipliers  model, plan      -> SitePlan          what cannot be folded becomes a hook
    verify       model, plan      -> findings          base identity, nothing half done
    groups       plan, optimizer  -> parameter groups  factors on the user's hyperparameters

The code lives in the repository's top-level ``passes``; ``mupfx/passes`` is a link to it.
"""

if __name__ != "mupfx.passes":
    raise ImportError(f"import mupfx.passes, not {__name__}: a second copy has its own rules")
