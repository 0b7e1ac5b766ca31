"""Numbers about this server in Prometheus' text format, at the address where scrapers look.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, current_app, g
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from bunqflask.api import blueprint
from bunqflask.models import TokenScope
from bunqflask.services import metrics
from bunqflask.services.metrics import Gauge

bp = Blueprint("metrics", __name__)
blueprint.set_scope("metrics.show", TokenScope.METRICS_READ)


class _Collector:
    """Hands gauges that were gathered to the library that writes them."""

    def __init__(self, gauges: list[Gauge]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        """Return them one after another."""
        for gauge in self._gauges:
            names = sorted({name for labels, _value in gauge.values for name in labels})
            family = GaugeMetricFamily(gauge.name, gauge.help, labels=names)
            for labels, value in gauge.values:
                family.add_metric([labels[name] for name in names], value)
            yield family


@bp.get("/metrics")
def show() -> Response:
    """All numbers."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(metrics.gather(g.bearer)))
    return current_app.response_class(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
