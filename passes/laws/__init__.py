"""Watch a factory draw its parameters, and write down the law of each.

::

    regions   views -> boxes           which entries of a tensor a view is
    stores    storage -> laws          what is known of every storage, part by part
    ops       operation -> law         fills, scalings, copies
    frames    stack -> law, line       trunc_normal_, orthogonal_, ...: by their arguments
    absent    operation -> result      run it without memory for what is drawn
    record    factory -> Recorded      run it, with or without values

``nn.Linear(64, 8)`` gives ``uniform(-0.125, 0.125)`` for its weight, exactly, and the user's line.
"""

from mupfx.passes.laws.record import NoModuleError, Recorded, record, record_shapes

__all__ = ["NoModuleError", "Recorded", "record", "record_shapes"]
