"""`python -m sandbox`: the stand-in alone."""

import argparse
import sys
from pathlib import Path

from sandbox.server import serve
from sandbox.world import AGREEMENT


def main() -> int:
    """Parse the command line and serve until told to stop; returns only when that fails."""
    parser = argparse.ArgumentParser(prog="sandbox", description="A stand-in for Visma e-conomic, on loopback.")
    parser.add_argument("--listen", default="127.0.0.1:8900", metavar="HOST:PORT")
    parser.add_argument("--agreement", type=int, default=AGREEMENT, metavar="NUMBER")
    parser.add_argument("--debtors", type=int, default=0, metavar="N")
    parser.add_argument("--invoices", type=int, default=0, metavar="N")
    parser.add_argument("--lines-per-invoice", type=int, default=3, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--end-with-parent", action="store_true", help="end when the starting process is gone")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep the books in a file and go on from it")
    options = parser.parse_args()
    try:
        serve(**vars(options))
    except (ValueError, RuntimeError, OSError) as error:
        sys.stderr.write(f"sandbox: {options.listen}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
