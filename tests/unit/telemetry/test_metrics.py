"""Metrics count, and their labels are closed sets."""

import pytest
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from syncd.telemetry.metrics import Metrics


def samples(metrics: Metrics) -> dict[str, float]:
    """Every sample as `name{value of label,…}`, labels by name -> value."""
    return {
        sample.name
        + (
            "{" + ",".join((value for _, value in sorted(sample.labels.items()))) + "}" if sample.labels else ""
        ): sample.value
        for family in text_string_to_metric_families(generate_latest(metrics.registry).decode())
        for sample in family.samples
    }


def test_every_series_exists_from_the_start() -> None:
    """So that a rate over it is zero and not nothing."""
    found = samples(Metrics())
    for result in ("unchanged", "changed", "partial", "failed"):
        assert found[f"syncd_pulls_total{{{result}}}"] == 0
    for status_class in ("2xx", "3xx", "4xx", "5xx", "none"):
        assert found[f"syncd_http_requests_total{{{status_class}}}"] == 0
    for status in ("ok", "rejected", "parked", "failed"):
        assert found[f"syncd_tokens{{{status}}}"] == 0
    for resource in ("client", "project"):
        for kind in ("inserted", "updated", "deleted", "reappeared"):
            assert found[f"syncd_rows_written_total{{{kind},{resource}}}"] == 0
    assert found["syncd_http_retries_total"] == 0
    assert found["syncd_quarantined"] == 0
    assert found["syncd_staleness_max_seconds"] == 0


def test_each_observation_is_counted_in_its_place() -> None:
    """One of each."""
    metrics = Metrics()
    metrics.pull_finished("changed", 0.3)
    metrics.pull_finished("failed", 700)
    metrics.request_retried()
    metrics.rows_written("client", "updated", 5)
    metrics.set_quarantined(2)
    metrics.set_tokens("parked", 3)
    metrics.set_staleness_max(12.5)
    found = samples(metrics)
    assert found["syncd_pulls_total{changed}"] == found["syncd_pulls_total{failed}"] == 1
    assert (found["syncd_pull_duration_seconds_count"], found["syncd_pull_duration_seconds_sum"]) == (2, 700.3)
    assert found["syncd_pull_duration_seconds_bucket{0.25}"] == 0
    assert found["syncd_pull_duration_seconds_bucket{0.5}"] == found["syncd_pull_duration_seconds_bucket{600.0}"] == 1
    assert found["syncd_http_retries_total"] == 1
    assert found["syncd_rows_written_total{updated,client}"] == 5
    assert (found["syncd_quarantined"], found["syncd_tokens{parked}"]) == (2, 3)
    assert found["syncd_staleness_max_seconds"] == 12.5


@pytest.mark.parametrize(
    ("status", "status_class"), [(200, "2xx"), (304, "3xx"), (404, "4xx"), (599, "5xx"), (None, "none"), (999, "none")]
)
def test_a_status_is_counted_by_its_class(status: int | None, status_class: str) -> None:
    """A server that invents statuses makes no new series."""
    metrics = Metrics()
    before = set(samples(metrics))
    metrics.requests_answered(status, 1)
    found = samples(metrics)
    assert set(found) == before
    assert found[f"syncd_http_requests_total{{{status_class}}}"] == 1


def test_metrics_of_two_services_are_their_own() -> None:
    """No registry is shared, least of all the library's global one."""
    one, two = Metrics(), Metrics()
    one.request_retried()
    assert samples(two)["syncd_http_retries_total"] == 0
    assert not any(metric.name.startswith("syncd") for metric in REGISTRY.collect())
