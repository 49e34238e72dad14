"""Start the port holder: `python -I -S hold_ports.py COUNT DIRECTORY [stay]`. The COUNT descriptors from 3 on are a
pipe and the sockets of a port. In DIRECTORY (may be empty) tcenv finds this user's holder."""

import os
import sys

if __name__ == "__main__":
    # `-S` keeps out the packages that are installed beside tcenv: this process must not run their code.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    from tcenv.portholder.holder import main

    main(sys.argv[1:])
