"""`python -m tests.alerts.promtool PROMTOOL`: Prometheus's own tool reads the rules and judges the same stories.

Holds our small evaluator against the real one: each rule has to fire, and to keep quiet, in both.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.alerts.query import Data
from tests.alerts.rules import ROOT
from tests.alerts.test_prometheus import HOUR, STORIES, recorded

RULE_FILE = ROOT / "deploy" / "alerts" / "prometheus" / "syncd.yml"


def main(promtool: str) -> int:
    """The exit code."""
    checks = [
        _check(name, recorded(story), is_firing=is_firing)
        for name, stories in STORIES.items()
        for story, is_firing in zip(stories, (True, False), strict=True)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "stories.yml"
        YAML().dump({"rule_files": [str(RULE_FILE)], "evaluation_interval": "1m", "tests": checks}, file)
        return subprocess.run([promtool, "test", "rules", str(file)], check=False).returncode


def _check(name: str, data: Data, *, is_firing: bool) -> dict[str, Any]:
    question = f'count(count_over_time(ALERTS{{alertname="{name}", alertstate="firing"}}[{HOUR}m])) > bool 0'
    return {
        "name": f"{name} {'fires' if is_firing else 'keeps quiet'}",
        "interval": "1m",
        "input_series": list(_series(data)),
        "promql_expr_test": [
            {
                "expr": question,
                "eval_time": f"{HOUR}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if is_firing else [],
            }
        ],
    }


def _series(data: Data) -> Iterator[dict[str, str]]:
    """In promtool's notation; `_` is a scrape that did not have the series."""
    for name, labels in {key for _, scrape in data.scrapes for key in scrape}:
        if name == "up" or (name.startswith("syncd_") and not name.endswith(("_bucket", "_created"))):
            values = [scrape.get((name, labels)) for _, scrape in data.scrapes]
            pairs = ", ".join(f'{label}="{value}"' for label, value in sorted(labels))
            text = " ".join("_" if value is None else f"{value:g}" for value in values)
            yield {"series": f"{name}{{{pairs}}}", "values": text}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
