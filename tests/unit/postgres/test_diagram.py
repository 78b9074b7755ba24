"""The picture of how relations join."""

import itertools
import re
import xml.etree.ElementTree as ET

import pytest

from syncd.postgres.diagram import Attribute, Entity, Join, draw

SVG = "{http://www.w3.org/2000/svg}"
ID = Attribute("id", "bigint", "PK")
TEAMS = Entity("teams", "table", [ID])
PLANS = Entity("plans", "table", [ID, Attribute("team_id", "bigint", "FK")])
CURRENT = Entity("plans_current", "view", [Attribute("plan_id", "bigint", "PK")])
FOREIGN_KEY = Join("teams", "plans", "team_id", True, "one", "none-or-many")
OF_A_VIEW = Join("plans", "plans_current", "plan_id", False, "one", "none-or-one")


def drawn(*entities: Entity, joins: tuple[Join, ...] = ()) -> ET.Element:
    return ET.fromstring(draw("Plans < teams", entities, joins))


def heights(picture: ET.Element) -> dict[str, float]:
    """How far down each text stands."""
    return {str(text.text): float(text.attrib["y"]) for text in picture.iter(f"{SVG}text")}


@pytest.mark.parametrize("join", [FOREIGN_KEY, OF_A_VIEW], ids=lambda join: join.child)
def test_a_line_ends_beside_the_column_that_finds_the_parent(join: Join) -> None:
    """At most half a row from its text, on the edge of a box."""
    picture = drawn(TEAMS, CURRENT, PLANS, joins=(FOREIGN_KEY, OF_A_VIEW))
    lines = [line.attrib["d"] for line in picture.iter(f"{SVG}path") if "marker-end" in line.attrib]
    *_, down, across = re.findall("[0-9]+", lines[(FOREIGN_KEY, OF_A_VIEW).index(join)])
    assert abs(heights(picture)[join.column] - float(down)) < 10
    assert across in {box.attrib["x"] for box in picture.iter(f"{SVG}rect") if box.get("class") == "box"}


def test_no_box_covers_another() -> None:
    """However many views hang on one, or on two."""
    views = [Entity(f"view{n}", "view", [ID, Attribute("plan_id", "bigint", "")]) for n in range(4)]
    joins = [
        *(Join("teams", view.name, "id", False, "one", "none-or-one") for view in views),
        Join("plans", "view0", "plan_id", False, "one", "none-or-many"),
        OF_A_VIEW,
    ]
    picture = drawn(TEAMS, *views, PLANS, CURRENT, Entity("alone", "view", []), joins=tuple(joins))
    boxes = [
        tuple(int(box.attrib[side]) for side in ("x", "y", "height"))
        for box in picture.iter(f"{SVG}rect")
        if box.get("class") == "box"
    ]
    assert len(boxes) == 8
    stacked = sorted(boxes)
    for (left, top, height), (next_left, next_top, _) in itertools.pairwise(stacked):
        assert next_left > left or next_top > top + height
