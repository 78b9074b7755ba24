"""MkDocs hooks: the pages are written to be read in the repository; here they become a site with the same links.

What a page links to outside docs/ comes along under repository/, sources as pages of their own. A folder has no page,
so a link to one becomes its name. Nothing is fetched from anywhere.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

OUTSIDE = "repository/"
ROOTS = ("CONTRIBUTING.md", "CHANGELOG.md")
"""Pages of the navigation that are no files of docs/."""

SOURCES = {".py": "python", ".sql": "sql", ".toml": "toml", ".yml": "yaml", ".yaml": "yaml"}

# A link with its text, but to another site or within the page; and whole fences, in which nothing is a link.
_LINK = re.compile(r"(\[(?:[^\[\]]|\[[^\]]*\])*\])\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")
_FENCE = re.compile(r"^(```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, *, config: Any) -> Files:
    """Add what pages link to outside docs/, and what that links to in turn."""
    root = Path(config["docs_dir"]).parent
    wanted = [*ROOTS, *(path for file in files.documentation_pages() for path in _linked(root, f"docs/{file.src_uri}"))]
    seen: set[str] = set()
    while wanted:
        path = wanted.pop()
        if path not in seen and not path.startswith("docs/") and (root / path).is_file():
            seen.add(path)
            files.append(File.generated(config, _uri(path), content=_as_page(root / path)))
            wanted += _linked(root, path)
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Links lead to where the site has it; fences lose the names that tests know them by."""
    source = page.file.src_uri
    here = source.removeprefix(OUTSIDE) if source.startswith(OUTSIDE) else f"docs/{source}"

    def relink(link: re.Match[str]) -> str:
        text, path, anchor = link[1], _path(here, link[2]), link[3] or ""
        if (Path(config["docs_dir"]).parent / path).is_dir():
            return f"`{text[1:-1].strip('`')}`"
        return f"{text}({posixpath.relpath(_uri(path), posixpath.dirname(source) or '.')}{anchor})"

    parts = _FENCE.split(markdown)
    parts[::2] = [_LINK.sub(relink, part) for part in parts[::2]]
    return re.sub(r"^```(\w+) \w+$", r"```\1", "".join(parts), flags=re.MULTILINE)


def _linked(root: Path, path: str) -> list[str]:
    """Where in the repository the links of a page lead."""
    if not path.endswith(".md"):
        return []
    text = (root / path).read_text("utf-8")
    return [_path(path, link[2]) for part in _FENCE.split(text)[::2] for link in _LINK.finditer(part)]


def _path(here: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(here), target))


def _uri(path: str) -> str:
    """Where the site has a file of the repository."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return OUTSIDE + path + (".md" if Path(path).suffix in SOURCES else "")


def _as_page(file: Path) -> str:
    text, language = file.read_text("utf-8"), SOURCES.get(file.suffix)
    if language is None:
        return text
    return f"---\nsearch:\n  exclude: true\n---\n# {file.name}\n\n````{language}\n{text}````\n"
