"""The command line: one module for each command, which calls the packages below and prints. No other package imports it."""

# The shell whose function of `tcenv init` runs this process, or empty. That function evaluates the output, so hints need not
# say how. `__main__` sets it from a variable and removes the variable: children of this process have no such function.
from_function = ""
