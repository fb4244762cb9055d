"""The queue on RabbitMQ; the driver is imported in `connection` only."""

from runnel.queue.rabbitmq.queue import RabbitQueue

__all__ = ["RabbitQueue"]
