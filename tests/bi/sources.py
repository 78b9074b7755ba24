"""The dbt package's sources, described in the words of docs/schema.json: `python -m tests.bi.sources` writes them."""

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from syncd.postgres.contract import Relation

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "deploy" / "dbt" / "models" / "sources.yml"
ENDLESS = 1_000_000


def published() -> list[Relation]:
    """The contract with BI, as docs/schema.json has it."""
    return msgspec.json.decode((ROOT / "docs" / "schema.json").read_bytes(), type=list[Relation])


def described(text: str, contract: Sequence[Relation]) -> str:
    """The YAML *text* with every relation and column of the contract, in its order, and its comment as description.

    What else the text says about a relation or column stays; what the contract does not have goes.
    """
    yaml = YAML()
    yaml.width = ENDLESS
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text)
    (source,) = document["sources"]
    source["tables"] = _entries(source["tables"], {relation.name: relation.comment for relation in contract})
    for table, relation in zip(source["tables"], contract, strict=True):
        comments = {column.name: column.comment for column in relation.columns}
        table["columns"] = _entries(table.get("columns", []), comments)
    written = StringIO()
    yaml.dump(document, written)
    return written.getvalue()


def _entries(present: Sequence[CommentedMap], comments: Mapping[str, str | None]) -> list[CommentedMap]:
    """One entry per name, described by its comment."""
    known = {entry["name"]: entry for entry in present}
    entries = []
    for name, comment in comments.items():
        entry = known.get(name, CommentedMap(name=name))
        if "description" in entry:
            entry["description"] = comment
        else:
            entry.insert(1, "description", comment)
        entries.append(entry)
    return entries


if __name__ == "__main__":
    SOURCES.write_text(described(SOURCES.read_text("utf-8"), published()), "utf-8")
