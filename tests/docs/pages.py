"""Reading the documents: fences, commands, links."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from syncd.cli.main import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md", "bench/*.md")
    for path in ROOT.glob(pattern)
)
"""Every document, by its path."""

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\s*(?:\$ )?(?:\w+=(?:'[^']*'|\S*) )*(?:[\w./-]*/)?(syncd [a-z].*)$")
_END_OF_COMMAND = re.compile(r"\s+(?:#|\||&|>|<).*$|\s{3,}.*$")


def read(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def blocks(page: str, language: str) -> list[str]:
    """What stands in fences of this language; those with a name besides belong to a test of their own."""
    return [text for name, text in _FENCE.findall(read(page)) if name == language]


def named_blocks(page: str, language: str) -> dict[str, str]:
    """Name -> what stands in fences of this language that have one."""
    fences = ((heading.partition(" "), text) for heading, text in _FENCE.findall(read(page)))
    return {name: text for (begin, _, name), text in fences if begin == language and name}


def command_lines(page: str) -> list[str]:
    """Lines that begin with `syncd`: of fences for a shell, of indented blocks, and of code within a sentence."""
    text = read(page)
    fenced = [body for name, body in _FENCE.findall(text) if name in ("sh", "console", "")]
    prose = _FENCE.sub("", text)
    lines = [line for body in fenced for line in body.splitlines()]
    lines += [line for line in prose.splitlines() if line.startswith("    ")]
    found = [match[1] for line in lines if (match := _COMMAND.match(line))]
    found += re.findall(r"(?<!`)`(syncd [a-z][^`\n]*)`", prose)
    return sorted({_END_OF_COMMAND.sub("", line) for line in found})


def parse(line: str) -> None:
    """Every word of a command is known; capitals and … stand for what is to be filled in, brackets for what may be.

    Raises:
        click.UsageError: some word is not.
    """
    words = shlex.split(re.sub(r"[\[\]…]", " ", line).replace(r"\|", "|"))[1:]
    group: click.Command = cli
    with click.Context(cli, **cli.context_settings) as context:
        while isinstance(group, click.Group) and words:
            name = words.pop(0)
            found = group.get_command(context, name)
            if found is None:
                raise click.UsageError(f"{line}: no such command: {name}")
            group = found
        group.make_parser(context).parse_args(words)


def anchors(page: str) -> set[str]:
    """Of the headings, as a repository's own view makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", _FENCE.sub("", read(page)), re.MULTILINE):
        slug = re.sub(r"[^\w -]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).lower().replace(" ", "-")
        found.add(slug if slug not in found else f"{slug}-1")
    return found


def links(page: str) -> Iterator[tuple[str, str]]:
    """(path from the root, anchor or "") of every link and picture that leads to a file of ours."""
    text = _FENCE.sub("", read(page))
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    for target in targets:
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            here = ROOT / page
            place = (here.parent / path).resolve() if path else here
            yield str(place.relative_to(ROOT)), anchor
