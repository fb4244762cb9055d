"""The URL of a ClickHouse store."""

from __future__ import annotations

import pytest

from tallystick.errors import ConfigError
from tallystick.store.clickhouse.server.address import parse_address
from tallystick.store.clickhouse.tables.schema import Cluster


def test_a_url_names_server_user_and_database() -> None:
    plain = parse_address("clickhouse://localhost/events")
    assert (plain.servers, plain.secure, plain.cluster) == ([("localhost", 8123)], False, None)
    assert (plain.user, plain.password, plain.database) == ("default", "", "events")
    full = parse_address("clickhouses://an%40n:p%2Fw%3Ad@[::1]:9440/my%20events?cafile=/ca.pem&certfile=/c&keyfile=/k")
    assert (full.servers, full.secure) == ([("::1", 9440)], True)
    assert (full.user, full.password, full.database) == ("an@n", "p/w:d", "my events")
    assert full.driver == {"ca_cert": "/ca.pem", "client_cert": "/c", "client_cert_key": "/k"}
    assert parse_address("clickhouses://localhost/events").servers == [("localhost", 8443)]


def test_a_url_names_the_servers_of_a_cluster() -> None:
    spread = parse_address("clickhouse://an:p%2Cw@one,[::1]:9000,three:1/events?cluster=two")
    assert spread.servers == [("one", 8123), ("::1", 9000), ("three", 1)]
    assert (spread.user, spread.password) == ("an", "p,w")
    assert spread.cluster == Cluster("two", replicated=True)
    assert parse_address("clickhouse://one/e?cluster=c&replicated=false").cluster == Cluster("c", replicated=False)


@pytest.mark.parametrize(
    "url",
    [
        "clickhouse://",
        "clickhouse://localhost",
        "clickhouse://localhost/",
        "clickhouse:///events",
        "clickhouse://localhost/a/b",
        "clickhouse://user:se/cret@localhost:x/events",
        "clickhouse://localhost/events?cafile=/ca.pem",
        "clickhouses://user:secret@localhost/events?verify=no",
        "clickhouse://user:secret@one,two/events",
        "clickhouse://user:secret@one/events?replicated=false",
        "clickhouse://user:secret@one,two/events?cluster=c&replicated=maybe",
        "clickhouse://user:secret@one,,two/events?cluster=c",
    ],
)
def test_what_is_no_such_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^TALLYSTICK_STORE_URL") as refused:
        parse_address(url)
    assert "secret" not in str(refused.value)
    assert "se/cret" not in str(refused.value)


def test_the_password_is_in_no_representation() -> None:
    assert "secret" not in repr(parse_address("clickhouse://user:secret@localhost/events"))
