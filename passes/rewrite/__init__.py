"""Rewrite passes: from an exported graph to a model that is one graph, with its multipliers.

Each is a ``torch.fx.passes.infra`` pass; ``build`` runs them in order and lints after each::

    FollowMode      constants that train() and eval() decide are asked of parts of the model
    RequireSizes    what tracing took for granted of sizes is asserted
    Own             parameters and buffers are attributes under their own names
    TakeArguments   the graph takes what forward takes
    GiveResult      and returns what it returns, in the same classes
    Multiply        the plan's multipliers, a named node each
    Describe        sizes as text, so that a graph prints and pickles alike everywhere
"""
