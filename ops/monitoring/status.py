"""How it all does: servers, consumer groups with their lag, worker processes, the sink, dead letters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ops.monitoring.backlog import Backlog, Place
from ops.processes.metrics import PREFIX
from ops.servers.endpoints import notes
from ops.settings import Settings
from schemas.topics import DLQ, EFFECTS, EFFECTS_RETRY, ORDERS_EVENTS, ORDERS_IN, POOLS_EVENTS, POOLS_IN

__all__ = ["GROUPS", "as_json", "gather", "healthy", "read_metrics"]

GROUPS: dict[str, tuple[str, ...]] = {
    "wharf-core": (ORDERS_IN.name, POOLS_IN.name),
    "wharf-effects": (EFFECTS.name, EFFECTS_RETRY.name),
    "wharf-sink": (ORDERS_EVENTS.name, POOLS_EVENTS.name),
}
"""Each consumer group and the topics it reads."""

SECONDS = 5.0


def gather(settings: Settings) -> dict[str, Any]:
    """Everything, as `wharf status --json` shows it. Raises UserError where no Kafka is known; a server that is down is part of the answer."""
    from confluent_kafka import KafkaException

    from ops.servers.endpoints import kafka_config

    config = kafka_config(settings)
    clickhouse, stored = _clickhouse(settings)
    status: dict[str, Any] = {
        "kafka": {"bootstrap": config["bootstrap.servers"], "ok": False, "brokers": 0, "error": ""},
        "clickhouse": clickhouse,
        "groups": [],
        "dead_letters": None,
        "processes": list(_processes(settings.home)),
    }
    try:
        with Backlog(config) as backlog:
            status["kafka"].update(ok=True, brokers=backlog.brokers)
            status["groups"] = [_group(backlog, name, topics, stored) for name, topics in GROUPS.items()]
            letters = backlog.measure([Place(DLQ.name, count, 0) for count in backlog.partitions(DLQ.name)])
            status["dead_letters"] = sum(place.lag for place in letters)
    except KafkaException as e:
        status["kafka"].update(ok=False, error=str(e.args[0].str()))
    return status


def healthy(status: Mapping[str, Any]) -> bool:
    """Whether both servers answer, each group has someone who works, each partition an owner, and no log is damaged."""
    groups = status["groups"]
    works = all(group["members"] and not group["unowned"] for group in groups)
    whole = not any(partition["trouble"] for group in groups for partition in group["partitions"])
    return bool(status["kafka"]["ok"] and status["clickhouse"]["ok"] and works and whole)


def _group(
    backlog: Backlog, name: str, topics: tuple[str, ...], stored: Mapping[tuple[str, int], int]
) -> dict[str, Any]:
    """A group's members, and its lag by partition; the sink's is measured from what ClickHouse holds, where that is known."""
    state, members = backlog.members(name)
    committed = backlog.committed(name)
    if name == "wharf-sink":
        committed |= stored
    places = [
        Place(topic, partition, committed.get((topic, partition)))
        for topic in topics
        for partition in backlog.partitions(topic)
    ]
    partitions = [
        {
            "topic": p.topic,
            "partition": p.partition,
            "position": p.start,
            "end": p.end,
            "lag": p.lag,
            "exact": p.exact,
            "trouble": p.trouble,
        }
        for p in backlog.measure(places)
    ]
    owned = {place for member in members for place in member["owns"]}
    unowned = [
        place
        for topic in topics
        for partition in backlog.partitions(topic)
        if (place := f"{topic}/{partition}") not in owned
    ]
    return {
        "group": name,
        "state": state,
        "members": members,
        "unowned": [] if state.endswith("rebalancing") else unowned,
        "lag": sum(p["lag"] for p in partitions),
        "partitions": partitions,
    }


def _clickhouse(settings: Settings) -> tuple[dict[str, Any], dict[tuple[str, int], int]]:
    """Whether ClickHouse answers, and the next offset of each partition according to its ``sink_progress``."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from ops.errors import UserError
    from ops.servers.endpoints import clickhouse_client, clickhouse_url, without_password

    told: dict[str, Any] = {"url": "", "ok": False, "error": "", "progress": []}
    try:
        told["url"] = without_password(clickhouse_url(settings))
        with clickhouse_client(settings) as client:
            sql = (
                "SELECT topic, kafka_partition, first_offset, last_offset, state FROM sink_progress FINAL WHERE state != 'CLAIM' "
                "ORDER BY topic, kafka_partition, owner DESC LIMIT 1 BY topic, kafka_partition"
            )
            rows = client.query(sql).result_rows
    except (UserError, ClickHouseError) as e:
        told["error"] = str(e)[:300]
        return told, {}
    told["ok"] = True
    names = ("topic", "partition", "first", "last", "state")
    told["progress"] = [dict(zip(names, row, strict=True)) for row in rows]
    return told, {
        (topic, partition): last + 1 if state == "AFTER" else first for topic, partition, first, last, state in rows
    }


def _processes(home: Path) -> Iterator[dict[str, Any]]:
    """The processes of ours that run on this machine, by their notes, with what their metrics say."""
    for name, note in sorted(notes(home).items()):
        if name.startswith(PREFIX):
            told = {"process": name.removeprefix(PREFIX), "pid": note["pid"], "metrics": note["metrics"]}
            yield told | read_metrics(str(note["metrics"]))


def read_metrics(url: str) -> dict[str, Any]:
    """``last_commit`` (UTC seconds; None: none yet), ``restore`` (partition to share, 0 to 1), ``dead_letters``, ``standing`` (its group does not count on it at the
    moment); ``error`` where it is silent."""
    from urllib.error import URLError
    from urllib.request import urlopen

    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, Any] = {"last_commit": None, "restore": {}, "dead_letters": 0, "standing": False, "error": ""}
    try:
        with urlopen(url, timeout=SECONDS) as answer:  # noqa: S310  # a note of ours, on localhost
            text = answer.read().decode()
    except (URLError, OSError) as e:
        return found | {"error": str(getattr(e, "reason", e))}
    for sample in (s for family in text_string_to_metric_families(text) for s in family.samples):
        if sample.name == "wharf_last_commit_timestamp_seconds" and sample.value:
            found["last_commit"] = sample.value
        elif sample.name == "wharf_restore_progress":
            found["restore"][f"{sample.labels['topic']}/{sample.labels['partition']}"] = sample.value
        elif sample.name == "wharf_standing_still":
            found["standing"] = sample.value > 0
        elif sample.name == "wharf_dead_letters_total":
            found["dead_letters"] += int(sample.value)
    return found


def as_json(status: Mapping[str, Any]) -> str:
    """Return the whole status as one JSON object."""
    return json.dumps(status, indent=1)
