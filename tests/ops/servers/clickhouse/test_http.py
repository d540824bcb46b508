"""The embedded ClickHouse as its readers meet it: clickhouse-connect and plain HTTP."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import clickhouse_connect
import lz4.frame
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from ops.errors import UserError
from ops.servers.clickhouse import Engine, ReadOnlyServer
from ops.servers.clickhouse.coding import encode, unpack
from ops.servers.clickhouse.errors import ClickHouseError as Refusal
from ops.servers.clickhouse.names import AGGREGATES, FUNCTIONS, KEYWORDS, REVIEWED_AND_REFUSED, Refused
from ops.servers.clickhouse.readonly import allow
from ops.servers.ports import free_port
from ops.servers.token import token_of


@pytest.fixture(scope="module")
def server(engine: Engine) -> Iterator[ReadOnlyServer]:
    client = engine.client()
    client.command(
        "CREATE TABLE things (id String, at DateTime64(3, 'UTC'), n Nullable(Int64), kind LowCardinality(String), tags Array(String)) "
        "ENGINE = MergeTree ORDER BY id"
    )
    client.insert("things", [["a", 0, None, "x", ["p", "q"]], ["b", 1500, 3, "y", []]])
    server = ReadOnlyServer(engine, free_port())
    server.start()
    yield server
    server.stop()
    client.command("DROP TABLE things")
    client.close()


def ask(
    server: ReadOnlyServer,
    sql: str | bytes = b"",
    method: str = "POST",
    headers: dict[str, str] | None = None,
    **arguments: str,
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    body = sql.encode() if isinstance(sql, str) else sql
    key = {"X-ClickHouse-Key": server.token}
    connection.request(method, "/?" + urlencode(arguments), body or None, key | (headers or {}))
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer, data


@pytest.mark.parametrize("compress", [True, "lz4", "zstd", "gzip", False], ids=str)
def test_clickhouse_connect_reads_every_type_with_every_compression(
    server: ReadOnlyServer, compress: bool | str
) -> None:
    with clickhouse_connect.get_client(
        host="127.0.0.1", port=server.port, database="wharf", password=server.token, compress=compress
    ) as client:
        result = client.query("SELECT * FROM things ORDER BY id")
        assert result.result_rows == [
            ("a", datetime(1970, 1, 1), None, "x", ["p", "q"]),  # noqa: DTZ001
            ("b", datetime(1970, 1, 1, 0, 0, 1, 500_000), 3, "y", []),  # noqa: DTZ001
        ]
        assert result.summary["read_rows"] == "2"


def test_clickhouse_connect_binds_parameters_on_the_server(server: ReadOnlyServer) -> None:
    with clickhouse_connect.get_client(dsn=f"http://wharf:{server.token}@127.0.0.1:{server.port}/wharf") as client:
        text = "it's\ta \\ 'x'\n"
        sql = "SELECT {t:String} AS t, {n:Array(Int32)} AS n"
        assert client.query(sql, parameters={"t": text, "n": [1, 2]}).first_row == (text, [1, 2])


def test_clickhouse_connect_gets_clickhouses_own_errors(server: ReadOnlyServer) -> None:
    with clickhouse_connect.get_client(dsn=f"http://wharf:{server.token}@127.0.0.1:{server.port}/wharf") as client:
        with pytest.raises(ClickHouseError, match=r"Code: 60.*nowhere"):
            client.query("SELECT * FROM nowhere")
        with pytest.raises(ClickHouseError, match="READONLY"):
            client.insert("things", [["c", 0, None, "", []]])
        assert client.command("SELECT count() FROM things") == 2


@pytest.mark.parametrize(
    ("sql", "arguments", "expected"),
    [
        pytest.param("", {"query": "SELECT id FROM things ORDER BY id"}, b"a\nb\n", id="query in the URL"),
        pytest.param("SELECT id, n FROM things ORDER BY id", {}, b"a\t\\N\nb\t3\n", id="query in the body"),
        pytest.param("FROM things", {"query": "SELECT count()"}, b"2\n", id="joined"),
        pytest.param("SELECT 1 AS x FORMAT JSONEachRow", {}, b'{"x":1}\n', id="FORMAT clause"),
        pytest.param(
            "SELECT 1 AS x FORMAT JSONEachRow", {"default_format": "CSV"}, b'{"x":1}\n', id="FORMAT clause wins"
        ),
        pytest.param("SELECT 'a'", {"default_format": "CSV"}, b'"a"\n', id="default_format"),
        pytest.param("SELECT /* c */ 'x' -- end", {}, b"x\n", id="comments"),
        pytest.param("SELECT 1;", {}, b"1\n", id="semicolon"),
        pytest.param("SELECT {a:UInt8} + 1", {"param_a": "4"}, b"5\n", id="parameter"),
        pytest.param("SELECT name FROM tables WHERE name = 'one'", {"database": "system"}, b"one\n", id="database"),
        pytest.param("EXISTS TABLE things", {}, b"1\n", id="EXISTS"),
        pytest.param("WITH 2 AS x SELECT x", {}, b"2\n", id="WITH"),
        pytest.param("SELECT sum(number) FROM numbers(4)", {}, b"6\n", id="harmless table function"),
        pytest.param("SELECT 1 SETTINGS max_threads = 1, max_execution_time = 5 FORMAT CSV", {}, b"1\n", id="SETTINGS"),
        pytest.param("SELECT arrayReduce('sumIf', [1, 2], [1, 0])", {}, b"1\n", id="aggregate by its name"),
        pytest.param("SELECT sumOrNullIf(number, number > 1) FROM numbers(4)", {}, b"5\n", id="combinators"),
        pytest.param("WITH c (a, b) AS (SELECT 1, 2) SELECT a + b FROM c", {}, b"3\n", id="WITH and columns"),
        pytest.param(
            "SELECT {a:Array(LowCardinality(String))}", {"param_a": "['x']"}, b"['x']\n", id="type of parameter"
        ),
        pytest.param("SELECT count() FROM {t:Identifier}", {"param_t": "things"}, b"2\n", id="table as parameter"),
        pytest.param("SELECT * APPLY(toString) FROM (SELECT 1)", {}, b"1\n", id="APPLY"),
        pytest.param("SELECT * FROM format(CSV, 'a UInt8', '7')", {}, b"7\n", id="format of a text"),
        pytest.param("SELECT 'file(1) INTO OUTFILE'", {}, b"file(1) INTO OUTFILE\n", id="words in a string"),
    ],
)
def test_plain_http_as_clickhouse_answers_it(
    server: ReadOnlyServer, sql: str, arguments: dict[str, str], expected: bytes
) -> None:
    answer, body = ask(server, sql, "POST" if sql else "GET", None, **arguments)
    assert (answer.status, body) == (200, expected)


def test_an_answer_names_its_format_type_and_cost(server: ReadOnlyServer) -> None:
    answer, _ = ask(server, "SELECT id FROM things FORMAT JSON", query_id="mine")
    assert answer.getheader("X-ClickHouse-Format") == "JSON"
    assert str(answer.getheader("Content-Type")).startswith("application/json")
    assert answer.getheader("X-ClickHouse-Query-Id") == "mine"
    assert json.loads(str(answer.getheader("X-ClickHouse-Summary")))["read_rows"] == "2"


def test_ping_and_an_empty_request_say_ok(server: ReadOnlyServer) -> None:
    assert ask(server, method="GET")[1] == b"Ok.\n"


def test_a_compressed_query_is_read_and_a_bomb_is_not(server: ReadOnlyServer) -> None:
    lz4_ = {"Content-Encoding": "lz4"}
    assert ask(server, lz4.frame.compress(b"SELECT 7"), headers=lz4_)[1] == b"7\n"
    answer, _ = ask(server, lz4.frame.compress(b"SELECT '" + b"x" * 50_000_000 + b"'"), headers=lz4_)
    assert answer.status == 413
    assert ask(server, b"no lz4", headers=lz4_)[0].status == 400


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO things VALUES ('c', 0, 1, '', [])",
        "INSERT INTO FUNCTION file('/tmp/never.csv') SELECT 1",
        "CREATE TABLE t (x Int8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE t (x Int8)",
        "DROP TABLE things",
        "TRUNCATE TABLE things",
        "ALTER TABLE things DELETE WHERE 1",
        "OPTIMIZE TABLE things",
        "SYSTEM FLUSH LOGS",
        "KILL QUERY WHERE 1",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM `fi\\x6ce`('/etc/passwd', 'LineAsString')",
        "SELECT file /* hidden */ ('/etc/passwd')",
        "SELECT “file”('/etc/passwd')",
        "DESCRIBE TABLE file('/etc/passwd', 'LineAsString')",
        "EXPLAIN SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM default.`/etc/passwd`",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT * FROM s3('http://127.0.0.1:1/bucket/a', 'TSV', 'a String')",
        "SELECT * FROM remote('127.0.0.1', system.one)",
        "SELECT * FROM executable('ls', 'TSV', 'a String')",
        "SELECT * FROM sqlite('/tmp/never.db', 't')",
        "SELECT * FROM python(settings)",
        "SELECT * FROM eval('SELECT 1')",
        "SELECT 1 INTO OUTFILE '/tmp/never.csv'",
        "EXPLAIN AST SELECT 1 INTO OUTFILE '/tmp/never.csv'",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 SETTINGS max_execution_time = 0",
        "GRANT ALL ON *.* TO default",
        "SELECT * APPLY(file) FROM (SELECT '/etc/passwd' AS p)",
        "SELECT arrayMap(file, ['/etc/passwd'])",
        "SELECT COLUMNS('p') APPLY(`file`) FROM (SELECT '/etc/passwd' AS p)",
        "SELECT arrayReduce('aggThrow(0.1)', [1])",
        "SELECT arrayReduce(concat('su', 'm'), [1])",
        "SELECT initializeAggregation('sum', 1)",
        "SELECT fileIf('/etc/passwd')",
        "SELECT file() OVER ()",
        "SELECT x.file('/etc/passwd')",
        "SELECT 1 WHERE 1 IN file('/etc/passwd')",
        "SELECT getServerSetting('path')",
        "SELECT getSetting('readonly')",
        "SELECT hostName()",
        "SELECT catboostEvaluate('/x', 1)",
        "SELECT aiGenerate('x')",
        "SELECT dictGet('d', 'a', 1)",
        "SELECT joinGet('t', 'a', 1)",
        "SELECT hasColumnInTable('127.0.0.1', '', '', 'd', 't', 'c')",
        "SELECT showCertificate()",
        "SELECT addressToLine(1)",
        "SELECT structureToProtobufSchema('a String')",
        "SELECT * FROM merge('system', 'proc.*')",
        "SELECT * FROM merge(REGEXP('.*'), '.*')",
        "SELECT * FROM loop(system.one)",
        "SELECT * FROM cluster('default', system.one)",
        "SELECT * FROM viewExplain('', '', (SELECT 1))",
        "SELECT * FROM mergeTreeIndex('wharf', 'things')",
        "SELECT * FROM dictionary('d')",
        "SELECT * FROM input('a String')",
        "SELECT * FROM filesystem('/etc')",
        "SELECT * FROM system.processes",
        "SELECT * FROM `system`.`server_settings`",
        "SELECT 1 IN system.processes",
        "SELECT * FROM system.settings JOIN system.disks ON 1",
        "SELECT * FROM system.{t:Identifier}",
        "SELECT * FROM `/etc/passwd`",
        "SHOW PROCESSLIST",
        "SHOW SETTINGS LIKE '%'",
        "SHOW GRANTS",
        "SHOW CLUSTERS",
        "SHOW CREATE TABLE system.processes",
        "DESCRIBE system.processes",
        "EXPLAIN QUERY TREE SELECT file('/etc/passwd')",
        "EXPLAIN AST INSERT INTO things SELECT 1",
        "EXPLAIN CURRENT TRANSACTION",
        "SELECT 1 PARALLEL WITH SELECT 2",
        "EXECUTE AS default SELECT 1",
        "SELECT (SELECT 1 SETTINGS max_insert_threads = 9)",
        "SELECT 1 SETTINGS output_format_schema = '/tmp/never.csv'",
        "SELECT 1 SETTINGS max_threads = 1, format_schema = 'x'",
        "SELECT 1 SETTINGS `readonly` = 0",
        "SELECT 1 SETTINGS max_memory_usage = 99999999999",
        "SELECT * FROM (SELECT 1) SETTINGS max_threads = 1 FORMAT JSON SETTINGS log_comment = 'x'",
    ],
)
def test_what_writes_or_reaches_outside_is_refused(server: ReadOnlyServer, sql: str) -> None:
    answer, body = ask(server, sql)
    assert answer.status == 403, body
    assert answer.getheader("X-ClickHouse-Exception-Code") == "164", body
    assert b"readonly" in body.lower()
    assert not Path("/tmp/never.csv").exists()
    assert not Path("/tmp/never.db").exists()


@pytest.mark.parametrize(
    ("sql", "arguments", "status", "code"),
    [
        pytest.param("SELECT FROM WHERE", {}, 400, "62", id="syntax"),
        pytest.param("SELECT 1; SELECT 2", {}, 400, "62", id="two statements"),
        pytest.param("SELECT nope", {}, 404, "47", id="unknown column"),
        pytest.param("SELECT 1", {"max_insert_threads": "3"}, 403, "164", id="setting"),
        pytest.param("SELECT 1", {"readonly": "0"}, 403, "164", id="readonly off"),
        pytest.param("SELECT 1", {"compress": "1"}, 501, "48", id="native compression"),
        pytest.param("SET max_threads = 1", {}, 501, "48", id="SET"),
        pytest.param("SELECT sum(sleep(1)) FROM numbers(9)", {"max_execution_time": "1"}, 408, "159", id="too long"),
        pytest.param("SELECT number FROM numbers(100)", {"max_result_rows": "10"}, 500, "396", id="too many rows"),
        pytest.param("SELECT 1", {"database": "elsewhere"}, 404, "81", id="unknown database"),
        pytest.param("SELECT * FROM processes", {"database": "system"}, 403, "164", id="hidden table of the database"),
        pytest.param(
            "SELECT arrayMap({f:Identifier}, ['/etc/passwd'])",
            {"param_f": "file"},
            403,
            "164",
            id="function as parameter",
        ),
        pytest.param(
            "SELECT * FROM {t:Identifier}", {"param_t": "system.processes"}, 403, "164", id="table as parameter"
        ),
        pytest.param("SELECT 1", {"output_format_schema": "/tmp/never.csv"}, 403, "164", id="a setting that writes"),
        pytest.param("SELECT 1", {"format_schema": "/tmp/x:y"}, 403, "164", id="a setting that reads"),
        pytest.param("SELECT 1", {"session_timezone": "'; x"}, 400, "36", id="value of a setting"),
        pytest.param("SELECT 1", {"max_threads": "64"}, 400, "36", id="too many threads"),
        pytest.param("SELECT 1", {"default_format": "DataFrame"}, 400, "73", id="object of Python"),
        pytest.param("SELECT 1", {"default_format": "ArrowTable"}, 400, "73", id="another object of Python"),
        pytest.param("SELECT 1", {"default_format": "Protobuf"}, 400, "73", id="format with a schema"),
        pytest.param("SELECT 1 FORMAT CapnProto", {}, 400, "73", id="format clause with a schema"),
        pytest.param("SELECT formatRow('Protobuf', 1)", {}, 400, "73", id="format in a function"),
        pytest.param("SELECT * FROM format(Protobuf, 'x')", {}, 400, "73", id="format in a table function"),
        pytest.param("exit", {}, 404, "47", id="a word of the command line"),
    ],
)
def test_errors_have_clickhouses_codes(
    server: ReadOnlyServer, sql: str, arguments: dict[str, str], status: int, code: str
) -> None:
    answer, body = ask(server, sql, **arguments)
    assert (answer.status, answer.getheader("X-ClickHouse-Exception-Code")) == (status, code), body
    assert body.startswith(f"Code: {code}. DB::Exception: ".encode())


def test_a_caller_may_lower_a_bound_but_not_lift_it(server: ReadOnlyServer, engine: Engine) -> None:
    sql = "SELECT value FROM system.settings WHERE name = 'max_result_rows'"
    assert ask(server, sql, max_result_rows="10")[1] == b"10\n"
    for wanted in ("0", "999999999999", "-1"):
        assert ask(server, sql, max_result_rows=wanted)[1] == f"{engine.bounds.rows}\n".encode()


def test_a_web_page_cannot_reach_it_under_another_name(server: ReadOnlyServer) -> None:
    assert ask(server, "SELECT 1", headers={"Host": "rebound.example:8123"})[0].status == 403
    assert ask(server, "SELECT 1", headers={"Host": f"localhost:{server.port}"})[0].status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_a_web_page_cannot_read_even_with_the_token(server: ReadOnlyServer, headers: dict[str, str]) -> None:
    for method in ("GET", "POST"):
        assert ask(server, "SELECT 1", method, headers)[0].status == 403


def test_nobody_reads_without_the_token(server: ReadOnlyServer) -> None:
    for headers in (
        {"X-ClickHouse-Key": ""},
        {"X-ClickHouse-Key": "x"},
        {"Authorization": "Basic !", "X-ClickHouse-Key": ""},
    ):
        answer, body = ask(server, "SELECT 1", headers=headers)
        assert (answer.status, answer.getheader("X-ClickHouse-Exception-Code")) == (401, "516")
        assert answer.getheader("WWW-Authenticate") == 'Basic realm="ClickHouse"'
        assert b"clickhouse.token" in body
        assert server.token.encode() not in body


def test_the_token_is_a_password_in_each_of_clickhouses_ways(server: ReadOnlyServer) -> None:
    basic = base64.b64encode(f"grafana:{server.token}".encode()).decode()
    none = {"X-ClickHouse-Key": ""}
    assert ask(server, "SELECT 1", headers=none | {"Authorization": f"Basic {basic}"})[0].status == 200
    assert ask(server, "SELECT 1", headers=none | {"Authorization": f"Bearer {server.token}"})[0].status == 200
    assert ask(server, "SELECT 1", headers=none, user="default", password=server.token)[0].status == 200


def test_the_token_is_kept_in_a_file_of_its_owner_alone(tmp_path: Path) -> None:
    token = token_of(tmp_path / "home")
    file = tmp_path / "home" / "clickhouse.token"
    assert len(token) >= 40
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    assert token_of(tmp_path / "home") == token
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_queries_of_clients_that_hang_up_end(server: ReadOnlyServer, engine: Engine) -> None:
    sql = "SELECT sum(cityHash64(number, toString(number))) FROM numbers(100000000000)"
    sockets = []
    for _ in range(8):  # four run, four wait
        connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("POST", "/", sql, {"X-ClickHouse-Key": server.token})
        sockets.append(connection)
    time.sleep(1)
    for connection in sockets:
        connection.close()
    began = time.monotonic()
    assert ask(server, "SELECT 1")[1] == b"1\n"
    assert time.monotonic() - began < 5  # each had 60 s to run
    until = time.monotonic() + 10
    while engine._lines(
        "SELECT query FROM system.processes WHERE query LIKE '%cityHash64%' AND query NOT LIKE '%processes%'"
    ):
        assert time.monotonic() < until, "a query goes on for nobody"


def test_memory_of_queries_too_large_is_given_back(server: ReadOnlyServer) -> None:
    before = _rss()
    for _ in range(3):
        answer, _ = ask(server, "SELECT groupArray(number) FROM numbers(2000000000)")
        assert answer.getheader("X-ClickHouse-Exception-Code") == "241"
    for _ in range(2):
        answer, body = ask(server, "SELECT repeat('x', 60) FROM numbers(1000000)")
        assert (answer.status, len(body)) == (200, 61_000_000)
    del body
    assert _rss() - before < 300 << 20


def _rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_the_engine_itself_has_no_way_to_the_network(engine: Engine) -> None:
    grants = " ".join(engine._lines("SHOW GRANTS"))
    for source in ("URL", "REMOTE", "S3", "SOURCES", "NAMED COLLECTION", "INTROSPECTION", "CREATE FUNCTION"):
        assert source not in grants
    rows = engine._lines(
        "SELECT name, value FROM system.server_settings WHERE name IN ('user_files_path', 'format_schema_path') ORDER BY name"
    )
    assert rows
    assert all(list(Path(row.split("\t")[1]).iterdir()) == [] for row in rows)


def test_every_function_of_this_clickhouse_has_been_reviewed(engine: Engine) -> None:
    functions = {name.lower() for name in engine._lines("SELECT name FROM system.functions")}
    unknown = functions - FUNCTIONS - AGGREGATES - REVIEWED_AND_REFUSED
    assert not unknown, "put each into functions.json: allowed if it only computes from its arguments, else refused"
    assert not (FUNCTIONS | AGGREGATES) & REVIEWED_AND_REFUSED
    assert not {word.lower() for word in KEYWORDS} & REVIEWED_AND_REFUSED


def test_a_function_that_no_list_knows_is_refused_even_uncalled() -> None:
    refused = Refused.of_engine(["newfangled"], [])
    for sql in ("SELECT newfangled(1)", "SELECT * APPLY newfangled FROM t", "SELECT arrayMap(NewFangled, [1])"):
        with pytest.raises(Refusal):
            allow(sql, {}, "wharf", refused, lambda name, value: None)


def test_readers_and_the_writer_work_at_once(server: ReadOnlyServer, engine: Engine) -> None:
    writer = engine.client()
    writer.command("CREATE TABLE busy (n UInt64) ENGINE = MergeTree ORDER BY n")
    seen: list[int] = []

    def read() -> None:
        seen.extend(int(ask(server, "SELECT count() % 100 FROM busy")[1]) for _ in range(20))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for r in readers:
        r.start()
    for i in range(20):
        writer.insert("busy", [[100 * i + k] for k in range(100)])
    for r in readers:
        r.join()
    assert seen == [0] * 60  # never a part of an insert
    assert ask(server, "SELECT count() FROM busy")[1] == b"2000\n"
    writer.command("DROP TABLE busy")
    writer.close()


def test_a_second_owner_of_the_directory_is_named(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from ops.servers.clickhouse import Engine\n"
        "e = Engine(Path(sys.argv[1])); print('open', flush=True); time.sleep(600)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout
        assert owner.stdout.readline() == "open\n"
        with pytest.raises(UserError, match=f"in use by ClickHouse of process {owner.pid}"):
            Engine(tmp_path)
    finally:
        owner.kill()
        owner.wait()


def test_grafana_and_others_may_send_a_form(server: ReadOnlyServer) -> None:
    boundary = "b"
    fields: dict[str, Any] = {"query": "SELECT {x:UInt8}", "param_x": "9"}
    parts = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    assert ask(server, f"{parts}--{boundary}--\r\n", headers=headers)[1] == b"9\n"


def _field(body: bytes, head: bytes = b"", name: bytes = b"query") -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="' + name + b'"\r\n' + head + b"\r\n" + body + b"\r\n"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"x", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary=b"),
        (_field(b"\xff\xfe") + b"--b--\r\n", "multipart/form-data; boundary=b"),
        (
            _field(b"SELECT 1", b"Content-Type: text/plain; charset=nope\r\n") + b"--b--\r\n",
            "multipart/form-data; boundary=b",
        ),
        (_field(b"SELECT 1")[:-10], "multipart/form-data; boundary=b"),
    ],
    ids=["no boundary", "no field", "no UTF-8", "unknown charset", "cut off"],
)
def test_a_form_that_cant_be_read_is_its_senders_fault(server: ReadOnlyServer, body: bytes, kind: str) -> None:
    answer, said = ask(server, body, headers={"Content-Type": kind})
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (400, "36"), said
    assert ask(server, "SELECT 1")[1] == b"1\n"


def test_a_form_of_many_fields_is_bounded_as_one_query_is(server: ReadOnlyServer) -> None:
    fields = b"".join(_field(b"a" * 300_000, name=b"param_%d" % i) for i in range(4))
    answer, said = ask(
        server, fields + b"--b--\r\n", headers={"Content-Type": "multipart/form-data; boundary=b"}, query="SELECT 1"
    )
    assert answer.status == 413, said


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd", "lz4"])
def test_a_compressed_body_with_something_behind_it_is_refused_and_never_cut(coding: str) -> None:
    body = encode(b"SELECT 1", coding)
    assert unpack(body, coding, 1000) == b"SELECT 1"
    with pytest.raises(Refusal, match="something follows it"):
        unpack(body + encode(b" DROP", coding), coding, 1000)
