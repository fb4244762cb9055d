"""Kafka brokers of the tests' own: one node, or several that are one cluster.

The jars are in `.cache/kafka-VERSION/libs`, where `scripts/servers` puts them. Two things that take a second or more
are kept beside them, made by the first run: formatted data folders, and an archive of the classes that a broker loads.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.servers.process import START_SECONDS, free_port, needed, wait_until, wait_until_stopped

VERSION = re.findall(r"<kafka.version>(.*)</kafka.version>", Path(__file__).with_name("pom.xml").read_text())[0]
CACHE = Path(__file__).parents[3] / ".cache" / f"kafka-{VERSION}"
JARS = CACHE / "libs"
CLUSTER = "AAAAAAAAAAAAAAAAAAAAAQ"
USER = "tallystick"
PASSWORD = "geheim/%40:wort"
PASSWORD_IN_URL = "geheim%2F%2540%3Awort"
FAST = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Options of a virtual machine that lives for a minute."""
SESSION_MS = 3_000
"""How long the brokers wait for a silent worker, at most."""


class KafkaServer:
    """One node; `url` has no topic.

    Args:
        number: its id in the cluster.
        voters: id and controller port of each node; none: it is alone.
        tls: listen with TLS and a login too; `tls_url` is that address, and names the certificate to trust.
        more: other lines of its properties.
    """

    def __init__(
        self,
        folder: Path,
        *,
        number: int = 1,
        voters: Mapping[int, int] | None = None,
        tls: bool = False,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._number = number
        self._java = java()
        self.port, self._tls_port = free_port(), free_port()
        self._voters = dict(voters or {number: free_port()})
        self._process: subprocess.Popen[bytes] | None = None
        self._archiving: Path | None = None
        self.url = f"kafka://127.0.0.1:{self.port}"
        self.tls_url = f"kafkas://{USER}:{PASSWORD_IN_URL}@localhost:{self._tls_port}"
        self.certificate = folder / "certificate.pem"
        self._settings = self._properties() | (self._secure() if tls else {}) | dict(more or {})
        self._write(folder / "node.properties")

    def start(self) -> None:
        """Start it and return once it listens; a node of several listens when a majority is there."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        if not (self.folder / "data").exists():
            shutil.copytree(self._formatted(), self.folder / "data")
        archive = CACHE / "classes.jsa"
        if archive.exists():
            sharing = [f"-XX:SharedArchiveFile={archive}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
        else:
            self._archiving = CACHE / f"classes.{os.getpid()}.{self.port}.jsa"
            sharing = [f"-XX:ArchiveClassesAtExit={self._archiving}"]
        self._process = self._run("-Xmx256m", *sharing, *FAST, "-cp", classpath(), "kafka.Kafka", "node.properties")

    def wait(self) -> None:
        wait_until(self._listens, f"Kafka on port {self.port}", 5 * START_SECONDS)

    def configure(self, **settings: str) -> None:
        """Other properties from the next start on; `_` in a name is `.`."""
        self._settings |= {name.replace("_", "."): value for name, value in settings.items()}
        self._write(self.folder / "node.properties")

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order. The first one that is ended so leaves the class archive to the others."""
        self._end(signal.SIGTERM)
        if self._archiving is not None and self._archiving.exists():
            self._archiving.rename(CACHE / "classes.jsa")
        self._archiving = None

    def pause(self) -> None:
        """It hangs: connections stay, answers do not come."""
        self._signal(signal.SIGSTOP)
        assert self._process is not None
        wait_until_stopped(self._process.pid)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    @property
    def ended(self) -> bool:
        """Whether the process is gone, by itself or not."""
        return self._process is None or self._process.poll() is not None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._signal(number)
            try:
                self._process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:  # without a majority it does not end by itself
                self._process.kill()
                self._process.wait()

    def _listens(self) -> bool:
        if self.ended:
            raise RuntimeError(f"Kafka ended: {(self.folder / 'output').read_text()[-2000:]}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
                return True
        except OSError:
            return False

    def _run(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "output").open("ab") as output:
            return subprocess.Popen(
                [str(self._java), *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def _formatted(self) -> Path:
        """A formatted data folder of this node's number, without anything in it."""
        template = CACHE / f"formatted-{self._number}"
        if not template.exists():
            made = self.folder / "formatted"
            properties = self.folder / "format.properties"
            properties.write_text(_text(self._properties() | {"log.dirs": str(made)}))
            tool = ("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(properties))
            process = self._run("-Xmx64m", *FAST, "-cp", classpath(), *tool)
            assert process.wait(START_SECONDS) == 0, (self.folder / "output").read_text()
            try:
                made.rename(template)
            except OSError:  # another process was faster, or the cache is on another disk
                shutil.copytree(made, template, dirs_exist_ok=True)
        return template

    def _properties(self) -> dict[str, str]:
        replicas = min(3, len(self._voters))
        in_sync = "2" if replicas == 3 else "1"
        controller = self._voters[self._number]
        return {
            "process.roles": "broker,controller",
            "node.id": str(self._number),
            "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{port}" for n, port in self._voters.items()),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "log.dirs": str(self.folder / "data"),
            "log.index.size.max.bytes": "1048576",
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": "1",
            "offsets.topic.replication.factor": str(replicas),
            "transaction.state.log.replication.factor": str(replicas),
            "transaction.state.log.min.isr": in_sync,
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "group.consumer.min.session.timeout.ms": "500",
            "group.consumer.session.timeout.ms": str(SESSION_MS),
            "group.consumer.max.session.timeout.ms": str(SESSION_MS),
            "group.consumer.min.heartbeat.interval.ms": "100",
            "group.consumer.heartbeat.interval.ms": "500",
        }

    def _secure(self) -> dict[str, str]:
        """Properties of a listener with TLS and a login, and its certificate for localhost."""
        key = self.folder / "key.pem"
        command = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        files = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(self.certificate)]
        subprocess.run([str(needed("openssl", "openssl")), *command, *files], check=True, capture_output=True)
        (self.folder / "keystore.pem").write_text(key.read_text() + self.certificate.read_text())
        return {
            "listeners": f"{self._properties()['listeners']},SECURE://127.0.0.1:{self._tls_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port},SECURE://localhost:{self._tls_port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "listener.name.secure.plain.sasl.jaas.config": (
                f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
            ),
            "listener.name.secure.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.folder / "keystore.pem"),
        }

    def _write(self, path: Path) -> None:
        path.write_text(_text(self._settings))


class KafkaCluster:
    """Three nodes; `url` names them all. They are always killed in the end: the last of three cannot stop in order.

    Args:
        folders: the folder of each node.
    """

    def __init__(self, folder: Path, *, folders: Sequence[Path] = ()) -> None:
        places = list(folders) or [folder / str(number) for number in (1, 2, 3)]
        voters = {number: free_port() for number in (1, 2, 3)}
        for place in places:
            place.mkdir(exist_ok=True)
        self.nodes = [KafkaServer(place, number=n, voters=voters) for n, place in enumerate(places, start=1)]
        self.url = "kafka://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> None:
        """Start those that do not run, and return once all listen."""
        for node in self.nodes:
            if node.ended:
                node.launch()
        for node in self.nodes:
            node.wait()

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()

    stop = kill


def java() -> Path:
    """The program. Skips or fails like `needed`, also where the jars are missing."""
    found = needed("java", "openjdk-17-jre-headless")
    if not JARS.is_dir():
        message = f"kafka: there are no jars in {JARS}; `scripts/servers` puts them there with Maven"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


def classpath() -> str:
    """The jars in a fixed order, which the class archive depends on."""
    return os.pathsep.join(map(str, sorted(JARS.glob("*.jar"))))


def _text(settings: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in settings.items())
