"""
Install a wheel into a fresh environment outside the repository and run it there: `make wheel-test`.

Shows what an editable install hides: templates, pages' styles, translations and migrations that are not in the wheel.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("webhooks", "consumers", "domain", "infra", "console", "cli", "sandbox")


def main(wheel: Path) -> None:
    """Raises SystemExit with a line that says what is wrong."""
    missing = files_in_repository() - set(zipfile.ZipFile(wheel).namelist())
    if missing:
        sys.exit(f"wheel: not in {wheel.name}: {', '.join(sorted(missing))}")
    with tempfile.TemporaryDirectory(prefix="debitor-wheel-") as folder:
        venv.create(Path(folder, "venv"), with_pip=True)
        python, debitor = Path(folder, "venv/bin/python"), Path(folder, "venv/bin/debitor")
        run(folder, python, "-m", "pip", "install", "-qq", "-c", ROOT / "constraints.txt", wheel.resolve())
        run(folder, python, "-m", "pip", "check")
        for arguments in (["--version"], ["--help"], ["demo", "--help"], ["migrate"]):
            run(folder, debitor, *arguments)
        run(folder, python, ROOT / "deploy/smoke.py")


def files_in_repository() -> set[str]:
    """Every file of the product's packages that git knows."""
    listed = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True)
    return {name for name in listed.stdout.split() if not name.endswith(".md")}


def run(folder: str, *command: str | Path) -> None:
    """Run in `folder`, with nothing of ours in the environment; a failure ends the program."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DEBITOR_", "PYTHON"))}
    print("wheel:", *(Path(str(part)).name for part in command), flush=True)
    ended = subprocess.run([str(part) for part in command], cwd=folder, env=environment, stdin=subprocess.DEVNULL)
    if ended.returncode:
        sys.exit(f"wheel: {Path(str(command[0])).name} ended with {ended.returncode}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
