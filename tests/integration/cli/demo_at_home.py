"""`python demo_at_home.py demo …`: syncd, whose data directory is under $HOME for root, too.

Root's own place for it, under /var, is no place for tests; the server's user cannot reach root's home, so tests give
root another one.
"""

from pathlib import Path

from syncd.cli.main import main
from syncd.service import demo

demo.default_data_dir = lambda environ: Path(environ["HOME"], ".local", "share", "syncd")  # type: ignore[attr-defined]

if __name__ == "__main__":
    main()
