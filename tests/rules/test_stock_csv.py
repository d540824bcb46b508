"""Stock files: taken whole or refused with every wrong line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.cli import app
from ops.errors import UserError
from ops.stock import StockRow, read_csv


def rows(tmp_path: Path, text: str, kind: str = "count") -> list[StockRow]:
    file = tmp_path / "stock.csv"
    file.write_bytes(text.encode())
    return read_csv(file, kind, "main")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("depot,sku,qty\nA,X,3\n", id="plain"),
        pytest.param("\ufeffDepot;SKU;Qty\r\nA; X ;3\r\n", id="a-spreadsheets-semicolons-and-byte-order-mark"),
        pytest.param("sku,qty,depot,quality,pool\nX,+3,A,new,main\n", id="other-order-all-columns"),
    ],
)
def test_a_stock_file_is_read(tmp_path, text):
    assert rows(tmp_path, text) == [StockRow("main", "A", "X", 3)]


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        pytest.param("depot,sku\nA,X\n", "count", ":1: column qty is missing", id="missing-column"),
        pytest.param("depot,sku,qty,color\nA,X,1,red\n", "count", "unknown column 'color'", id="unknown-column"),
        pytest.param("depot,sku,qty\nA,X,many\n", "count", ":2: qty 'many' is not a whole number", id="no-number"),
        pytest.param("depot,sku,qty\nA,X,1\nA,Y,-2\n", "receipt", ":3: qty -2 is negative", id="negative-receipt"),
        pytest.param("depot,sku,qty\nA,=cmd(),1\n", "count", "begins with '='", id="a-formula"),
        pytest.param("depot,sku,qty\nA,,1\n", "count", ":2: sku is empty", id="no-sku"),
        pytest.param("depot,sku,qty\nA,X,1\nA,X,2\n", "count", "was counted in line 2 already", id="counted-twice"),
        pytest.param("depot,sku,qty\nA,X,1,9\n", "count", "more cells than columns", id="too-many-cells"),
        pytest.param("depot,sku,qty,pool\nA,X,1,Main Pool\n", "count", "pool 'Main Pool'", id="no-pool-name"),
        pytest.param("depot,sku,qty\n", "count", "no rows", id="no-rows"),
    ],
)
def test_a_wrong_stock_file_is_refused_with_its_line(tmp_path, text, kind, says):
    with pytest.raises(UserError) as e:
        rows(tmp_path, text, kind)
    assert says in str(e.value)


def test_a_negative_correction_is_fine(tmp_path):
    assert rows(tmp_path, "depot,sku,qty\nA,X,-3\n", "correction")[0].qty == -3


def test_the_report_command_only_shows_unless_told_to_act(tmp_path):
    file = tmp_path / "s.csv"
    file.write_text("depot,sku,qty\nA,X,3\nA,Y,4\nB,X,1\n")
    result = CliRunner().invoke(app, ["stock", "report", str(file), "--json"])
    told = json.loads(result.stdout)
    assert (told["units"], told["written"], told["rows"]) == ({"A": 7, "B": 1}, False, 3)
