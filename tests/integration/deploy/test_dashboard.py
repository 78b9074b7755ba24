"""The dashboard asks only what the reader may ask, of columns, metrics and data sources that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import promql_parser
import pytest

from syncd.postgres import sql
from syncd.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[3]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboards/syncd.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
TARGETS = [target for panel in PANELS for target in panel.get("targets", [])]
ROW = {"staleness_seconds": 1, "quota_remaining": 1, "rows": 1, "deletes_held": 0, "quarantined": 0}


def of_source(uid: str) -> Iterator[dict[str, Any]]:
    return (target for target in TARGETS if target["datasource"]["uid"] == uid)


QUERIES = [target["rawSql"] for target in of_source("syncd-postgres")] + [
    variable["query"] for variable in DASHBOARD["templating"]["list"]
]
EXPRESSIONS = [target["expr"] for target in of_source("syncd-prometheus")] + [
    annotation["expr"] for annotation in DASHBOARD["annotations"]["list"]
]


def as_grafana_sends_it(query: str) -> str:
    """With its macros and variables replaced."""
    query = re.sub(
        r"\$__timeFilter\((\w+)\)", r"\1 BETWEEN '2024-05-06T07:08:09Z' AND '2024-05-07T07:08:09Z'", query
    ).replace("$token", "'acme','glo''bex'")
    assert "$" not in query, "a macro that this test does not know"
    return query


@pytest.fixture
async def reader(migrated_url: str) -> Any:
    """A connection with the rights of syncd_reader."""
    connection = await asyncpg.connect(migrated_url, ssl=False)
    try:
        async with connection.transaction():
            await connection.execute(sql.roles())
        await connection.execute("SET SESSION AUTHORIZATION syncd_reader")
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("query", QUERIES)
async def test_reader_may_ask(reader: "asyncpg.Connection[asyncpg.Record]", query: str) -> None:
    """Every query runs on the schema as it is, by the role that Grafana logs in as."""
    await reader.fetch(as_grafana_sends_it(query))


async def test_reader_may_not_ask_everything(reader: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Or the test above would prove little."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.fetch("SELECT * FROM syncd.tokens")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expression_is_promql_about_metrics_that_exist(expression: str) -> None:
    """A misspelt metric is an empty panel, and an empty panel looks like peace."""
    metrics = Metrics()
    metrics.set_of_tokens({"acme": ROW})
    known: dict[str, set[str]] = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            known.setdefault(sample.name, {"instance", "job"}).update(sample.labels)

    sent = expression.replace("$__rate_interval", "1m").replace("$token", "acme|globex")
    promql_parser.parse(sent)
    used = set(re.findall(r"\b((?:syncd|process)_\w+)", sent))
    assert used
    assert used <= set(known)
    labels = {label.strip() for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", sent) for label in group.split(",")}
    labels |= set(re.findall(r"[{,]\s*(\w+)\s*[=!]", sent))
    assert labels <= set().union(*(known[name] for name in used))


def test_sources_are_those_that_are_provisioned() -> None:
    """By uid; each kind is asked in its own language."""
    provisioned = (ROOT / "deploy/grafana/provisioning/datasources/syncd.yml").read_text()
    uids = dict(zip(re.findall(r"uid: (\S+)", provisioned), re.findall(r"type: (\S+)", provisioned), strict=True))
    named = [source["datasource"] for source in (*TARGETS, *PANELS) if "datasource" in source]
    assert {(source["uid"], source["type"]) for source in named} <= set(uids.items())
    assert {source["uid"] for source in named} == set(uids)


def test_panels_tile_the_page() -> None:
    """None overlaps another, and ids are unique."""
    taken = [
        (x, y)
        for panel in PANELS
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) == 23
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
