"""The pipeline, a module a pass; each reads results of earlier ones and makes its own.

::

    preflight    model            -> refusals          lazy, quantized, empty, mixed, not finite
    capture      model, example   -> Program           one ATen graph, the user's own names
    normalize    Program          -> Program           regions entered, writes followed
    align        Program, base    -> twins             the base's node for every node
    insertions   Program, base    -> twins             where sizes decide that one has ops more
    axes         Program, twins   -> Axes              factor classes, uses of parameters
    roles        Axes             -> ParameterRole     input, hidden, output, vector, scalar
    streams      Program, Axes    -> Streams           residual streams, branches, depth
    sites        Program, roles   -> Site              attention logits, tied readouts, products
    certainty    Axes, Streams    -> Axes              what one model alone cannot prove
    single       Program, Axes    -> Axes              an axis of size one that may be heads
    tables       Program, Axes    -> Axes              tables that one model alone leaves open
    ratios       Axes, base       -> Ratios            growth of every factor class
    layers       Streams, Ratios  -> Uneven            an axis that grew in only some layers
    depth        Streams, Ratios  -> refusals, notes   streams that depth rules were not made for
    chain        Program, Axes    -> Chain             the layers of a plain net
    advice       Program, Streams -> Advice            the depth rule that blocks ask for
    lint         Program, Axes    -> problems          what must hold after any of these
    assign       roles, Ratios    -> ParameterPlan     numbers from a parametrization's table
    matrices     Rows, sites      -> Rows              the matrices that a fused one is made of
    laws         factory          -> Drawn             laws that it was seen to ask for
    initialize   values, plan     -> InitPlan          laws recognised, values rescaled
    decide       Site, Ratios     -> Decision          the multiplier of every site
    ends         Program, roles   -> Site              readouts, embeddings: multipliers chosen
    fold         Program, site    -> parameters        those that can carry a multiplier
    gauge        ParameterPlan    -> ParameterPlan     a multiplier absorbed into a weight
    multipliers  Program, site    -> HookPlan          what cannot be folded becomes a hook
    initial      Program, model   -> frozen copy       the function at the start, added to readouts
    verify       plan, parameters -> problems          all planned, each multiplier once
    groups       plan, optimizer  -> parameter groups  factors on the user's hyperparameters
    carry        model, gauge     -> multipliers       applied where a stored parameter is read
    rewrite      graph, sites     -> GraphModule       the second lowering: multipliers are nodes
    clip         plan, gradients  -> norm              the same at every width

The code lives in the repository's top-level ``passes``; ``mupfx/passes`` is a link to it.
"""

if __name__ != "mupfx.passes":
    raise ImportError(f"import mupfx.passes, not {__name__}: a second copy has its own rules")
