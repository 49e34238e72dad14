"""`make generated`."""

import sys

from tcenv.cli.generate.completions import main

sys.exit(main())
