"""The URL of a RabbitMQ queue: what is read from it, what is refused, and that its password stays where it is."""

from __future__ import annotations

import traceback

import pytest

from tallystick.config import Settings
from tallystick.errors import ConfigError
from tallystick.queue import make_queue
from tallystick.queue.rabbitmq.address import parse_address, queue_arguments

SECRET = "gehe1m"


def settings_of(url: str) -> Settings:
    return Settings(queue_url=url)


def test_the_parts_of_an_address() -> None:
    address = parse_address(settings_of(f"amqp://me:{SECRET}@broker.example/site?queue=events"))

    assert address.broker == "amqp://broker.example:5672/site"
    assert (address.queue, address.notes) == ("events", "events.published")
    assert address.url == f"amqp://me:{SECRET}@broker.example/site?heartbeat=10"


def test_what_is_left_out_has_a_default() -> None:
    address = parse_address(settings_of("amqps://broker.example"))

    assert address.broker == "amqps://broker.example:5671/"
    assert address.queue == "tallystick"


def test_files_of_tls_go_to_the_driver() -> None:
    address = parse_address(settings_of("amqps://broker.example/?cafile=/etc/ca.pem&queue=q"))

    assert "cafile=%2Fetc%2Fca.pem" in address.url
    assert "queue" not in address.url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"amqp://me:{SECRET}/half@broker.example/", "special characters"),
        (f"amqp://me:{SECRET}@broker.example:70000/", "special characters"),
        (f"amqp://me:{SECRET}@/", "name the broker"),
        (f"amqp://me:{SECRET}@broker.example/?que=events", "unknown parameter 'que'"),
        (f"amqp://me:{SECRET}@broker.example/?queue=", "no name for a queue"),
        (f"amqp://me:{SECRET}@broker.example/?queue=amq.events", "no name for a queue"),
    ],
)
def test_a_wrong_url_is_refused_without_being_shown(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        make_queue(settings_of(url))

    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_the_password_is_in_no_text_about_the_address_or_the_settings() -> None:
    settings = settings_of(f"amqp://me:{SECRET}@broker.example/")

    assert SECRET not in repr(parse_address(settings))
    assert SECRET not in repr(settings)


def test_a_quorum_queue_is_declared_so_that_nothing_is_dropped() -> None:
    """G5: full means no, and no number of deliveries is too many."""
    assert queue_arguments(Settings(queue_max_bytes=1 << 20)) == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 2_000_000_000,
        "x-overflow": "reject-publish",
        "x-max-length-bytes": 1 << 20,
    }


def test_a_classic_queue_on_demand() -> None:
    assert queue_arguments(Settings(queue_max_bytes=1 << 20, rabbitmq_queue_type="classic")) == {
        "x-queue-type": "classic",
        "x-overflow": "reject-publish",
        "x-max-length-bytes": 1 << 20,
    }


async def test_a_classic_queue_has_to_be_allowed() -> None:
    """G1: it confirms before an fsync."""
    queue = make_queue(Settings(queue_url="amqp://broker.example/", rabbitmq_queue_type="classic"))

    with pytest.raises(ConfigError, match="TALLYSTICK_ALLOW_WEAK_DURABILITY=true"):
        await queue.open()
