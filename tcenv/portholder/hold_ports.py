"""The script of the port holder: `python -I -S hold_ports.py COUNT DIRECTORY [stay]`. COUNT descriptors from 3 on are a pipe
and the sockets of a port; DIRECTORY (or an empty word) is where tcenv finds this user's holder."""

import os
import sys

if __name__ == "__main__":
    # `-S`: what is installed beside tcenv is not code for this process.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    from tcenv.portholder.holder import main

    main(sys.argv[1:])
