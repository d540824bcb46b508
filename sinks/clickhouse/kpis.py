"""Reading the KPI views. Their definitions: docs/kpis.md."""

from __future__ import annotations

from typing import Any

__all__ = ["DIMENSIONS", "KPIS", "read"]

KPIS = {
    "kpi_turnaround": "Turnaround, PLACED to SHIPPED",
    "kpi_on_time": "On-time shipping",
    "kpi_accuracy": "Fulfilment accuracy",
    "kpi_return_rate": "Return rate",
    "kpi_cost_per_shipment": "Cost per shipment",
    "kpi_return_reasons": "Returns by reason",
    "kpi_dispositions": "What inspections found",
    "kpi_time_to_credit": "Time from receipt to credit",
    "kpi_recovered_value": "Value recovered of returns",
    "kpi_duplicates": "Repeated deliveries neutralised",
}
"""View → title."""

DIMENSIONS = {
    "all": frozenset(KPIS),
    "channel": frozenset(KPIS),
    "depot": frozenset(KPIS)
    - {
        "kpi_return_rate",
        "kpi_duplicates",
        "kpi_return_reasons",
        "kpi_time_to_credit",
        "kpi_recovered_value",
    },
    "day": frozenset(KPIS) - {"kpi_return_rate", "kpi_return_reasons", "kpi_recovered_value"},
    "sku": frozenset({"kpi_return_rate", "kpi_return_reasons", "kpi_dispositions", "kpi_recovered_value"}),
}
"""Dimension → the views that have it."""


def read(client: Any, dimension: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of every view that has the dimension. ``client``: a clickhouse-connect client."""
    return {view: _rows(client, view, dimension) for view in KPIS if view in DIMENSIONS[dimension]}


def _rows(client: Any, view: str, dimension: str) -> list[dict[str, Any]]:
    sql = f"SELECT * FROM {view} WHERE dimension = {{dimension:String}}"  # noqa: S608  # one of our own names
    return list(client.query(sql, parameters={"dimension": dimension}).named_results())
