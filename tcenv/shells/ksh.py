"""Name the executables and the start-up file of ksh93."""

from tcenv.shells.posix import EnvShell


class Ksh(EnvShell):
    executables = ("ksh93", "ksh")
    template = "init.ksh"
    own_file = ".kshrc"


SHELL = Ksh()
