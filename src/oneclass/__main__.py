"""The command `oneclass`, also as `python -m oneclass`."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    try:
        from oneclass.cli import cli
        from oneclass.cli.talk.console import run
    except KeyboardInterrupt:  # Ctrl-C before anything began
        sys.exit(130)
    sys.exit(run(cli))


if __name__ == "__main__":
    main()
