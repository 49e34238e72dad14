"""Keep a port of this machine after its sign-in or its proxy has ended, so that no other user gets what still comes to it.

`client` is what tcenv calls. `holder` is the process, one for each user, which `hold_ports.py` starts under `python -I -S`:
what it imports must stay next to nothing, so that it waits in less than 12 MiB."""
