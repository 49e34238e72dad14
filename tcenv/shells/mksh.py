"""Name the start-up file of mksh."""

from tcenv.shells.posix import EnvShell


class Mksh(EnvShell):
    template = "init.ksh"
    own_file = ".mkshrc"


SHELL = Mksh()
