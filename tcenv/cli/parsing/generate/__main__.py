"""`make generated`."""

from __future__ import annotations

import sys
from pathlib import Path

from tcenv.cli.parsing.generate import FOLDERS, render_files


def main() -> int:
    """Write every generated file anew, and remove those that nothing generates any more."""
    checkout = Path(__file__).parents[4]
    made = render_files()
    for name, content in made.items():
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")
            print(f"wrote {name}")
    for folder in FOLDERS:
        for path in (checkout / folder).iterdir():
            if str(path.relative_to(checkout)) not in made:
                path.unlink()
                print(f"removed {path.relative_to(checkout)}")
    return 0


sys.exit(main())
