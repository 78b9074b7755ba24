"""The alerts that are shipped, and when they fire on a recording."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from tests.alerts.query import Data, Labels, parse

ROOT = Path(__file__).parents[2]
MINUTE_S = 60.0


class Rule(NamedTuple):
    """One alert. `for_s`: so long its expression must hold."""

    name: str
    expr: str
    for_s: float
    severity: str
    runbook: str


def rules_for(system: str) -> dict[str, Rule]:
    """Those for "loki" or "prometheus", by name."""
    loaded = YAML(typ="safe").load(ROOT / "deploy" / "alerts" / system / "syncd.yml")
    found = [_rule(raw) for group in loaded["groups"] for raw in group["rules"]]
    assert len({rule.name for rule in found}) == len(found)
    return {rule.name: rule for rule in found}


def _rule(raw: Mapping[str, Any]) -> Rule:
    minutes = re.fullmatch(r"(\d+)m", raw.get("for", "0m"))
    assert minutes, raw
    assert set(raw) <= {"alert", "expr", "for", "labels", "annotations"}, raw
    severity, runbook = raw["labels"]["severity"], raw["annotations"]["runbook"]
    return Rule(raw["alert"], raw["expr"], int(minutes[1]) * MINUTE_S, severity, runbook)


def fires(rule: Rule, data: Data, minutes: int) -> bool:
    """Whether the rule, asked once a minute, holds for as long as it has to, for one and the same set of labels."""
    query = parse(rule.expr)
    since: dict[Labels, float] = {}
    for minute in range(minutes + 1):
        now = minute * MINUTE_S
        holding = query(data, now)
        since = {labels: since.get(labels, now) for labels in holding}
        if any(now - began >= rule.for_s for began in since.values()):
            return True
    return False
