"""A terminal's output as a picture, such as docs/images/demo.svg.

    COLUMNS=94 FORCE_COLOR=1 syncd demo --once | sed '/Try/,$d' | python deploy/site/terminal.py docs/images/demo.svg

Passwords in URLs become dots; the picture names no font of another host.
"""

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

if __name__ == "__main__":
    shown = re.sub(r"://(\w+):[^@\s]+@", r"://\1:…@", sys.stdin.read()).rstrip("\n")
    console = Console(record=True, width=94, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ make run ARGS=--once\n{shown}"))
    picture = console.export_svg(title="make run ARGS=--once")
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    Path(sys.argv[1]).write_text(re.sub(r"[ \t]+$", "", picture, flags=re.MULTILINE), encoding="utf-8")
