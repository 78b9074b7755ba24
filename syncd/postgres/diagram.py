"""An entity-relationship diagram as an SVG, so that a page shows it without a script and without a network.

On the left stand tables, and views that hang on nothing, one below the other; on the right, beside each, the views
that hang on it. A line leaves its parent at the first column, its key, and ends at the column that holds that key, both
in crow's foot notation. Foreign keys run left of the tables, the joins of views between both sides; the lines of one
parent share a lane.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Literal, NamedTuple

_BOX_PX, _HEAD_PX, _ROW_PX, _GAP_PX, _LANE_PX, _MARGIN_PX = 250, 26, 20, 16, 14, 20
_STYLE = (
    ".bg{fill:#fff}.box{fill:#fff;stroke:#57606a}.table{fill:#ddf4ff;stroke:#57606a}.view{fill:#eaeef2;stroke:#57606a}"
    ".line{fill:none;stroke:#57606a}.solid,.dotted{shape-rendering:crispEdges}.dotted{stroke-dasharray:2 3}"
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.name{font-weight:600}"
    ".type{fill:#57606a;font-size:12px;text-anchor:end}\n"
    "@media (prefers-color-scheme:dark){.bg,.box{fill:#0d1117}.box,.table,.view,.line{stroke:#8b949e}"
    ".table{fill:#0c2d6b}.view{fill:#21262d}text{fill:#e6edf3}.type{fill:#9198a1}}"
)
_MARKER = (
    'viewBox="0 0 16 12" refX="16" refY="6" markerWidth="16" markerHeight="12" markerUnits="userSpaceOnUse" '
    'orient="auto-start-reverse"'
)
_ENDS = {
    "one": '<path class="line" d="M9 1V11M13 1V11"/>',
    "none-or-one": '<circle class="line" cx="7" cy="6" r="3"/><path class="line" d="M13 1V11"/>',
    "none-or-many": '<circle class="line" cx="4" cy="6" r="3"/><path class="line" d="M16 1L7 6L16 11"/>',
}

End = Literal["one", "none-or-one", "none-or-many"]


class Attribute(NamedTuple):
    """A column that is shown. `mark`: what it is for, such as "PK"; empty: no key."""

    name: str
    type: str
    mark: str


class Entity(NamedTuple):
    """A relation with the columns that join it."""

    name: str
    kind: Literal["table", "view"]
    attributes: Sequence[Attribute]


class Join(NamedTuple):
    """The child's column that finds a row of the parent; `is_enforced`: by a foreign key. How many rows at each end."""

    parent: str
    child: str
    column: str
    is_enforced: bool
    parents: End
    children: End


class _Box(NamedTuple):
    entity: Entity
    left: int
    top: int

    @property
    def right(self) -> int:
        return self.left + _BOX_PX

    @property
    def bottom(self) -> int:
        return self.top + _HEAD_PX + _ROW_PX * len(self.entity.attributes)

    def middle(self, row: int) -> int:
        """How far down the middle of this row is."""
        return self.top + _HEAD_PX + _ROW_PX * row + _ROW_PX // 2


def draw(title: str, entities: Sequence[Entity], joins: Sequence[Join]) -> str:
    """The picture, for light and for dark pages. Pure; of equal entities and joins equal text."""
    lanes = {
        is_enforced: list(dict.fromkeys(join.parent for join in joins if join.is_enforced == is_enforced))
        for is_enforced in (True, False)
    }
    left = _MARGIN_PX + _LANE_PX * (len(lanes[True]) + 2)
    right = left + _BOX_PX + _LANE_PX * (len(lanes[False]) + 4)
    boxes = _placed(entities, joins, left, right)
    width, height = right + _BOX_PX + _MARGIN_PX, max(box.bottom for box in boxes.values()) + _MARGIN_PX
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>",
        *(f'<marker id="{name}" {_MARKER}>{shape}</marker>' for name, shape in _ENDS.items()),
        f'<rect class="bg" width="{width}" height="{height}" rx="8"/>',
        *(_line(join, boxes, lanes[join.is_enforced]) for join in joins),
        *(part for box in boxes.values() for part in _drawn(box)),
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _placed(entities: Sequence[Entity], joins: Sequence[Join], left: int, right: int) -> Mapping[str, _Box]:
    """Every entity by its name, those of the left first; what hangs on two of them stands beside the first."""
    beside: dict[str, str] = {}
    for join in joins:
        if not join.is_enforced:
            beside.setdefault(join.child, join.parent)
    boxes: dict[str, _Box] = {}
    below = _MARGIN_PX
    for head in sorted((e for e in entities if e.name not in beside), key=lambda e: e.kind == "table"):
        top = below
        boxes[head.name] = _Box(head, left, top)
        below = boxes[head.name].bottom + _GAP_PX
        for view in entities:
            if beside.get(view.name) == head.name:
                boxes[view.name] = _Box(view, right, top)
                top = boxes[view.name].bottom + _GAP_PX
        below = max(below, top)
    return boxes


def _line(join: Join, boxes: Mapping[str, _Box], lanes: Sequence[str]) -> str:
    parent, child = boxes[join.parent], boxes[join.child]
    row = [attribute.name for attribute in child.entity.attributes].index(join.column)
    lane = _LANE_PX * (2 + lanes.index(join.parent))
    start, turn = (parent.left, parent.left - lane) if join.is_enforced else (parent.right, parent.right + lane)
    look = "line solid" if join.is_enforced else "line dotted"
    return (
        f'<path class="{look}" d="M{start} {parent.middle(0)}H{turn}V{child.middle(row)}H{child.left}" '
        f'marker-start="url(#{join.parents})" marker-end="url(#{join.children})"/>'
    )


def _drawn(box: _Box) -> Iterator[str]:
    name, kind, attributes = box.entity
    yield f'<rect class="box" x="{box.left}" y="{box.top}" width="{_BOX_PX}" height="{box.bottom - box.top}"/>'
    yield f'<rect class="{kind}" x="{box.left}" y="{box.top}" width="{_BOX_PX}" height="{_HEAD_PX}"/>'
    yield f'<text class="name" x="{box.left + 8}" y="{box.top + 18}">{escape(name)}</text>'
    for row, (column, type_, mark) in enumerate(attributes):
        base = box.middle(row) + 5
        yield f'<text x="{box.left + 8}" y="{base}">{escape(column)}</text>'
        yield f'<text class="type" x="{box.right - 8}" y="{base}">{escape(f"{type_} {mark}".rstrip())}</text>'
