"""The command line: declarations in `app`, one module per command that calls the rooms below and prints. Known by nobody."""

# What the shell's function of `tcenv init` says of itself when it has called us: it evaluates what is printed, and hints need
# not say how. Set by the way in, which takes it out of the environment: no child of ours has the function from us.
from_function = ""
