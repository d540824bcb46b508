"""CloudEvents and trace headers, with the vectors of W3C Trace Context."""

from __future__ import annotations

import pytest

from domain.records.commands import Tick
from schemas.headers import headers, new_trace, parse_traceparent, rfc3339, traceparent

TRACE = "0af7651916cd43dd8448eb211c80319c"
EVENT = "6f9a2c1e-4b7d-5e0f-8a3b-9c2d1e0f4a5b"


def test_a_record_has_the_cloudevents_attributes_and_its_trace() -> None:
    tick = Tick(EVENT, "Tick", 1_763_906_788_042, "pools", TRACE)
    assert dict(headers(tick)) == {
        "ce_specversion": b"1.0",
        "ce_id": EVENT.encode(),
        "ce_type": b"wharfinger.Tick",
        "ce_source": b"pools",
        "ce_time": b"2025-11-23T14:06:28.042Z",
        "content-type": b"application/avro",
        "traceparent": f"00-{TRACE}-6f9a2c1e4b7d5e0f-01".encode(),
    }


def test_a_record_without_a_trace_has_no_traceparent() -> None:
    assert "traceparent" not in dict(headers(Tick(EVENT, "Tick", 0, "pools", "")))


@pytest.mark.parametrize(
    ("value", "trace"),
    [
        pytest.param(f"00-{TRACE}-b7ad6b7169203331-01", TRACE, id="valid"),
        pytest.param(f"00-{TRACE}-b7ad6b7169203331-01".encode(), TRACE, id="bytes"),
        pytest.param(f"cc-{TRACE}-b7ad6b7169203331-01-more", TRACE, id="a later version with more"),
        pytest.param(f"00-{TRACE}-b7ad6b7169203331-01-more", None, id="version 00 with more"),
        pytest.param(f"ff-{TRACE}-b7ad6b7169203331-01", None, id="version ff"),
        pytest.param(f"00-{'0' * 32}-b7ad6b7169203331-01", None, id="trace of zeros"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", None, id="span of zeros"),
        pytest.param(f"00-{TRACE.upper()}-b7ad6b7169203331-01", None, id="capitals"),
        pytest.param(f"00-{TRACE[:31]}-b7ad6b7169203331-01", None, id="too short"),
        pytest.param(f"00-{TRACE}-b7ad6b7169203331", None, id="no flags"),
        pytest.param(b"\xff\xfe", None, id="no text"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="missing"),
    ],
)
def test_an_incoming_traceparent_is_taken_only_where_it_is_valid(value: str | bytes | None, trace: str | None) -> None:
    assert parse_traceparent(value) == trace


@pytest.mark.parametrize("event_id", ["", "x", "é" * 36, "0" * 36, "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz"])
def test_a_traceparent_is_valid_whatever_the_event_id(event_id: str) -> None:
    assert parse_traceparent(traceparent(TRACE, event_id)) == TRACE


def test_traces_are_fresh_and_valid() -> None:
    made = {new_trace() for _ in range(100)}
    assert len(made) == 100
    assert all(parse_traceparent(traceparent(t, EVENT)) == t for t in made)


def test_times_before_1970_keep_their_milliseconds() -> None:
    assert rfc3339(-1) == "1969-12-31T23:59:59.999Z"
