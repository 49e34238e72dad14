"""The command line: declarations in `app`, one module per command that calls the rooms below and prints. Known by nobody."""
