"""The URL of a Kafka queue: what is read from it, what is refused, and that its password stays where it is."""

from __future__ import annotations

import traceback

import pytest

from tallystick.config import Settings, shown_url
from tallystick.errors import ConfigError
from tallystick.queue import is_embedded, make_queue
from tallystick.queue.kafka.address import parse_address

SECRET = "gehe1m"


def settings_of(url: str) -> Settings:
    return Settings(queue_url=url)


def test_the_parts_of_an_address() -> None:
    url = f"kafkas://me:{SECRET}%2F@one.example:9093,[::1]:9094,two.example/events?group=workers&partitions=3"
    address = parse_address(settings_of(f"{url}&mechanism=plain&cafile=/etc/ca.pem"))

    assert address.servers == "one.example:9093,[::1]:9094,two.example:9092"
    assert (address.topic, address.notes, address.group) == ("events", "events.published", "workers")
    assert address.partitions == 3
    assert address.driver == {
        "bootstrap.servers": address.servers,
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "me",
        "sasl.password": f"{SECRET}/",
        "ssl.ca.location": "/etc/ca.pem",
    }


@pytest.mark.parametrize(
    "servers", ["one.example:9092,[::1]:9092", "[::1]:9092,one.example:9092", "[::1]:9092,[::2]:9092"]
)
def test_servers_with_addresses_of_ipv6_in_any_order(servers: str) -> None:
    """Wherever the URL is split: by what makes the queue, adds a password, looks for files, or shows it."""
    given = Settings(queue_url=f"kafka://me@{servers}/events", queue_password="a/b")
    assert make_queue(given).durability == "fsync"
    assert not is_embedded(given)
    assert parse_address(given).servers == servers
    assert shown_url(given.queue_url) == f"kafka://{servers}/events"


def test_what_is_left_out_has_a_default() -> None:
    address = parse_address(settings_of("kafka://broker.example"))

    assert (address.topic, address.group, address.partitions) == ("tallystick", "tallystick", 12)
    assert address.driver == {"bootstrap.servers": "broker.example:9092", "security.protocol": "plaintext"}


def test_a_login_without_tls_sends_no_password_in_plain_text() -> None:
    driver = parse_address(settings_of(f"kafka://me:{SECRET}@broker.example/events")).driver

    assert driver["security.protocol"] == "sasl_plaintext"
    assert driver["sasl.mechanism"] == "SCRAM-SHA-512"


def test_a_password_setting_belongs_to_the_login() -> None:
    settings = Settings(queue_url="kafka://me@one.example:9092,two.example:9092/events", queue_password="a/b:c@d%")

    driver = parse_address(settings).driver
    assert (driver["sasl.username"], driver["sasl.password"]) == ("me", "a/b:c@d%")
    assert driver["bootstrap.servers"] == "one.example:9092,two.example:9092"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"kafka://me:{SECRET}/half@broker.example/", "special characters"),
        (f"kafka://me:{SECRET}@broker.example:70000/", "name the brokers"),
        (f"kafka://me:{SECRET}@broker.example:port/", "name the brokers"),
        (f"kafka://me:{SECRET}@/", "name the brokers"),
        (f"kafka://me:{SECRET}@one.example,,two.example/", "name the brokers"),
        (f"kafka://me:{SECRET}@broker.example/a/b", "no name for a topic"),
        (f"kafka://me:{SECRET}@broker.example/events?topic=other", "unknown parameter 'topic'"),
        (f"kafka://me:{SECRET}@broker.example/events?group=", "no name for a group"),
        (f"kafka://me:{SECRET}@broker.example/events?partitions=0", "partitions is a number from 1 to 1000"),
        (f"kafka://me:{SECRET}@broker.example/events?mechanism=GSSAPI", "mechanism is one of PLAIN"),
        (f"kafka://me:{SECRET}@broker.example/events?cafile=/dev/null", "write kafkas://"),
    ],
)
def test_a_wrong_url_is_refused_without_being_shown(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        make_queue(settings_of(url))

    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_the_password_is_in_no_text_about_the_address_or_the_settings() -> None:
    settings = settings_of(f"kafka://me:{SECRET}@broker.example/")

    assert SECRET not in repr(parse_address(settings))
    assert SECRET not in repr(settings)
