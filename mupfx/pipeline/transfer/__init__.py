"""A sweep of learning rates over sizes: one training, where runs are kept, who trains, the whole.

::

    data        what a target returns -> batches, loss, what is held out
    optimizers  its own over the plan's groups, or one of a class, at a rate
    task        target, trial -> model, optimizers, data: in a parametrization or as it is
    trial       trial -> run: the training itself
    store       runs on disk, a line each, as they come
    engines     trials -> runs: here, in local processes, or by Ray
    estimate    seconds of a training at each size, before all starts
    sweep       grid -> runs, extended and refined where the optimum asks for it
"""
