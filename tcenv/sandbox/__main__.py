"""Run the sandbox without tcenv's command line: `python -m tcenv.sandbox` does what `tcenv sandbox` does."""

from __future__ import annotations

import argparse
import sys

from tcenv.sandbox.serve import CannotListen, serve
from tcenv.sandbox.server import USER


def main() -> int:
    """Run the command line. Return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tcenv.sandbox", description="A Taskcluster look-alike on loopback."
    )
    parser.add_argument("--port", type=int, default=0, metavar="N", help="the port (default: a free one)")
    parser.add_argument(
        "--private", action="store_true", help="act as a private deployment, which answers only callers with scopes"
    )
    parser.add_argument(
        "--user", default=USER, metavar="CLIENT_ID", help="the user of the pages (default: %(default)s)"
    )
    parser.add_argument("--signed-in", action="store_true", help="skip the sign-in dialog of the pages")
    options = parser.parse_args()
    try:
        return serve(port=options.port, public=not options.private, user=options.user, signed_in=options.signed_in)
    except ValueError as error:
        parser.error(str(error))
    except CannotListen as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
