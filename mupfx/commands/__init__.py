"""What each command of the terminal does, a module a command, behind ``mupfx.cli``."""
