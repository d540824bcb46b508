"""Stock files: taken whole or refused with every wrong line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.errors import UserError
from ops.operator.stock import StockRow, check_depots, read_csv
from wharf.cli import app


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
        pytest.param(
            "depot,sku,qty\nA,X,1\nA,Y\0Z,1\n",
            "count",
            ":3: sku 'Y\\x00Z' holds a character that can't be seen",
            id="nul",
        ),
        pytest.param(
            "depot,sku,qty\nA,Y\u202eZ,1\n", "count", ":2: sku 'Y\\u202eZ' holds a character", id="text-turned-round"
        ),
        pytest.param(
            "depot,sku,qty\nA\x1b[2J,Y,1\n", "count", ":2: depot 'A\\x1b[2J' holds a character", id="terminal-control"
        ),
        pytest.param(
            "depot,sku,qty\nA," + "Y" * 101 + ",1\n",
            "count",
            ":2: sku 'YYYYYYYYYYYYYYYYYYYY'… has 101 characters",
            id="long-sku",
        ),
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


def test_a_depot_that_the_rules_in_force_do_not_have_is_refused(tmp_path):
    found = [StockRow("main", "depot-a", "X", 1), StockRow("main", "depotb", "X", 1)]
    check_depots(tmp_path, found[:1], ["depot-a"])
    with pytest.raises(UserError, match="no depot 'depotb' in the rules in force; did you mean depot-b"):
        check_depots(tmp_path, found, ["depot-a", "depot-b"])
    with pytest.raises(UserError, match="they have none"):
        check_depots(tmp_path, found, [])


def test_a_file_that_is_no_text_is_one_line(tmp_path):
    (tmp_path / "stock.csv").write_bytes("depot,sku,qty\nA,caf\xe9,1\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"stock\.csv:2:6: this is no UTF-8 \(byte 0xe9\); save the file as UTF-8$"):
        read_csv(tmp_path / "stock.csv", "count", "main")
