"""Apache Kafka in KRaft mode as a child JVM: formatted on first start, found again with its data on the next."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from string import Template
from types import TracebackType

from ops.errors import UserError
from ops.private import UMASK
from ops.servers.guard import DirectoryLock, watch
from ops.servers.ports import free_port, kept_port

__all__ = ["EmbeddedKafka", "kafka_lib"]

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
READY_SECONDS = 120.0
STOP_SECONDS = 15.0
_BROKER_JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true")
# The tool lives for a second: the optimizing compiler would only cost it time.
_TOOL_JVM = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def kafka_lib() -> Path:
    """Where Kafka's jars are: ``WHARF_KAFKA_LIB``, else ``.wharf/kafka/lib`` of the repository."""
    named = os.environ.get("WHARF_KAFKA_LIB")
    return Path(named) if named else REPOSITORY / ".wharf" / "kafka" / "lib"


class EmbeddedKafka:
    """One broker on 127.0.0.1 with its data under ``home/kafka``.

    ``port`` fixes the port; without it the port of the last start is taken again, or another where it is taken. The JVM ends when
    the process that started it ends, however that ends. ``jvm``: more options for it. Not for several threads at once. ``start`` raises UserError where Java or
    the jars are missing, another process uses the data, or the broker does not come up (with the end of its log).
    """

    def __init__(
        self, home: Path, lib: Path | None = None, port: int | None = None, *, jvm: Sequence[str] = ()
    ) -> None:
        self.directory = home.absolute() / "kafka"
        self.lib = lib or kafka_lib()
        self.log = self.directory / "kafka.log"
        self._wanted_port = port
        self._jvm_options = (*_BROKER_JVM, *(jvm or self._archive()))
        self._port = 0
        self._lock = DirectoryLock(self.directory / "lock", "Kafka")
        self._jvm: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """``host:port`` for clients; raises RuntimeError before ``start``."""
        if not self._port:
            raise RuntimeError("EmbeddedKafka.bootstrap before start()")
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The JVM's process id while it runs."""
        return self._jvm.pid if self._jvm and self._jvm.poll() is None else None

    def start(self) -> None:
        """Start the broker and wait until it serves; does nothing where it runs."""
        if self.pid:
            return
        java = self._java()
        self._lock.acquire()
        try:
            self._configure()
            self._format(java)
            self._spawn(java)
            self._wait_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop cleanly: SIGTERM, then SIGKILL after 15 seconds."""
        if self._jvm and self._jvm.poll() is None:
            self._jvm.terminate()
            try:
                self._jvm.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._jvm.kill()
        self._reap()

    def kill(self) -> None:
        """SIGKILL, as a fault would; ``start`` recovers the log."""
        if self._jvm and self._jvm.poll() is None:
            self._jvm.kill()
        self._reap()

    def __enter__(self) -> EmbeddedKafka:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _reap(self) -> None:
        if self._jvm:
            self._jvm.wait()
        if self._watchdog:
            self._watchdog.kill()
            self._watchdog.wait()
            if self._watchdog.stdin:
                self._watchdog.stdin.close()
        self._jvm = self._watchdog = None
        self._lock.release()

    def _archive(self) -> tuple[str, ...]:
        """What `archive` made: it saves half of the start."""
        file = self.lib / "wharf.jsa"
        return (f"-XX:SharedArchiveFile={file}", "-Xlog:disable", "-Xlog:all=error:stderr") if file.exists() else ()

    def _java(self) -> str:
        home = os.environ.get("JAVA_HOME")
        java = shutil.which("java", path=f"{home}/bin") if home else None
        java = java or shutil.which("java")
        if not java:
            raise UserError("java is missing: install a Java 17+ runtime (openjdk-17-jre-headless), or set WHARF_KAFKA")
        if not any(self.lib.glob("kafka_2.13-*.jar")):
            raise UserError(
                f"Kafka's jars are not in {self.lib}: run `make setup`, or set WHARF_KAFKA_LIB or WHARF_KAFKA"
            )
        return java

    def _configure(self) -> None:
        self._port = kept_port(self.directory / "port", self._wanted_port)
        text = Template((HERE / "server.properties").read_text()).substitute(
            port=self._port, controller_port=free_port(), data=self.directory / "data"
        )
        (self.directory / "server.properties").write_text(text)

    def _command(self, java: str, jvm: tuple[str, ...], main: str, *arguments: str) -> list[str]:
        logging = (f"-Dlog4j2.configurationFile={HERE / 'log4j2.xml'}", f"-Dwharf.kafka.log={self.log}")
        return [java, *jvm, *logging, "-cp", f"{self.lib}/*", main, *arguments]

    def _format(self, java: str) -> None:
        if (self.directory / "data" / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
        config = str(self.directory / "server.properties")
        tool = self._command(java, _TOOL_JVM, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", config)
        done = subprocess.run(tool, capture_output=True, text=True, check=False, umask=UMASK)
        if done.returncode:
            raise UserError(
                f"Kafka can't format {self.directory / 'data'}: {(done.stderr or done.stdout).strip()[-500:]}"
            )

    def _spawn(self, java: str) -> None:
        self.log.unlink(missing_ok=True)
        command = self._command(java, self._jvm_options, "kafka.Kafka", str(self.directory / "server.properties"))
        with (self.directory / "stdout.log").open("wb") as out:
            # Its own session: Ctrl-C reaches us, and we stop the broker after its clients.
            self._jvm = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                umask=UMASK,
                pass_fds=[self._lock.fileno()],  # held until the JVM is gone too, should we be killed
            )
        self._watchdog = watch(self._jvm.pid)

    def _wait_ready(self) -> None:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        deadline = time.monotonic() + READY_SECONDS
        quiet = {
            "bootstrap.servers": self.bootstrap,
            "log_level": 0,
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 50,
        }
        admin = AdminClient(quiet)
        while time.monotonic() < deadline:
            if self._jvm is None or self._jvm.poll() is not None:
                raise UserError(f"Kafka ended while starting: {self._tail()}")
            try:
                # It answers as soon as the broker does; cut short, it would never on a machine that is very busy.
                if admin.list_topics(timeout=2.0).brokers:
                    return
            except KafkaException:
                time.sleep(0.02)
        raise UserError(f"Kafka did not come up within {READY_SECONDS:.0f} s: {self._tail()}")

    def _tail(self) -> str:
        for path in (self.directory / "stdout.log", self.log):
            lines = path.read_text(errors="replace").splitlines() if path.exists() else []
            telling = [line for line in lines if "ERROR" in line or "Exception" in line or "Error" in line] or lines
            if telling:
                return f"{telling[-1][:300]} (all of it: {path})"
        return f"nothing was logged (see {self.log})"
