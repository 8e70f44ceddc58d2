"""First stage, for any Python 3.11 to 3.13 and its standard library: makes the environment, then becomes the launcher.

python deploy/launcher/bootstrap.py (run|test) MODULE ARGUMENTS…
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)

from deploy.launcher import environment  # noqa: E402  the path above must come first
from deploy.launcher.errors import LauncherError  # noqa: E402
from deploy.launcher.screen import Screen  # noqa: E402


def main() -> None:
    kind, module, *arguments = sys.argv[1:]
    screen = Screen(sys.stderr)
    try:
        environment.ensure(kind, screen)
    except LauncherError as error:
        screen.line(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    os.chdir(ROOT)
    os.execv(environment.PYTHON, [str(environment.PYTHON), "-m", module, *arguments])


if __name__ == "__main__":
    main()
