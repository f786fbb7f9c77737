"""The mean-field table with the initial function that it lacks: IC-MF of Golikov.

In width as ``mean_field`` (muP where there are hidden layers). Beside that, every last readout adds
``(fan_in^1/2 - 1)`` times what it made at the start, so that the output begins at the size that it
has in the default parametrization, and the limit is mean field's.
"""

from dataclasses import replace

from mupfx.core.power import Power
from mupfx.tables.plane import GOLIKOV, MEAN_FIELD

IC_MEAN_FIELD = replace(
    MEAN_FIELD,
    name="ic_mean_field",
    source=(
        f"{MEAN_FIELD.source}; {GOLIKOV}, initialization-corrected mean field: the default net's "
        "function at the start in the place of mean field's"
    ),
    initial=Power.of(fan_in="1/2"),
)
