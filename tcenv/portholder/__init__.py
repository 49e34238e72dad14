"""Keep a port of this machine open after its sign-in or proxy has ended, so that no other user gets late requests to
it.

tcenv calls `client`. `holder` is the process, one for each user; `hold_ports.py` starts it under `python -I -S`. It
imports almost nothing, so that it needs less than 12 MiB while it waits."""
