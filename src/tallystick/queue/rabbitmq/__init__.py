"""The queue on RabbitMQ; the driver is imported in `connection` only."""

from tallystick.queue.rabbitmq.queue import RabbitQueue

__all__ = ["RabbitQueue"]
