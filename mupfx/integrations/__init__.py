"""Files and objects of other projects, read thinly."""
