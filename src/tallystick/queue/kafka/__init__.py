"""The queue on Apache Kafka; only this package imports the driver, confluent-kafka."""

from tallystick.queue.kafka.queue import KafkaQueue

__all__ = ["KafkaQueue"]
