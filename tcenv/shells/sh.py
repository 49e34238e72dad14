"""POSIX sh: dash, ash, busybox."""

from tcenv.shells.posix import EnvShell


class Sh(EnvShell):
    executables = ("dash", "ash", "sh")
    template = "init.sh"


SHELL = Sh()
