#!/usr/bin/env python3
"""Records in and out of Kafka by Confluent's own client of a schema registry, which shares no code with Portcullis.

    records.py write BOOTSTRAP REGISTRY   < {"topic": ..., "schema": {...}, "value": {...}, "in_header": false}, a line each
    records.py read BOOTSTRAP REGISTRY TOPIC > {"headers": {...}, "value": {...}}, a line a record; the value as the registry's schema says
"""

import json
import sys

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext


def write(bootstrap, registry):
    producer, serializers = Producer({"bootstrap.servers": bootstrap}), {}
    for line in sys.stdin:
        record = json.loads(line)
        topic, schema = record["topic"], json.dumps(record["schema"])
        if (topic, schema) not in serializers:
            serializers[topic, schema] = AvroSerializer(registry, schema)
        value = serializers[topic, schema](record["value"], SerializationContext(topic, MessageField.VALUE))
        headers = []
        if record.get("in_header"):
            # This registry has no GUIDs, with which the client would do it itself; the header holds the id, as its readers allow.
            headers, value = [("__value_schema_id", value[:5])], value[5:]
        producer.produce(topic, value=value, headers=headers)
    producer.flush()


def read(bootstrap, registry, topic):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "registry-test", "enable.auto.commit": False, "enable.partition.eof": True,
                         "auto.offset.reset": "earliest", "isolation.level": "read_committed"})
    partitions = list(consumer.list_topics(topic).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    deserialize, ended = AvroDeserializer(registry), set()
    while len(ended) < len(partitions):
        message = consumer.poll(30)
        if message is None:
            sys.exit(f"{topic}: no end within 30 s")
        if message.error():
            ended.add(message.partition())
            continue
        headers = dict(message.headers() or [])
        if headers.get("type") == b"audit-head":
            continue  # a signature, and no Avro
        context = SerializationContext(topic, MessageField.VALUE, message.headers())
        value = deserialize(message.value(), context)
        shown = {name: value.decode("latin-1") for name, value in headers.items()}
        print(json.dumps({"headers": shown, "value": value}, default=str))


if __name__ == "__main__":
    what, bootstrap, url, *topic = sys.argv[1:]
    registry = SchemaRegistryClient({"url": url})
    write(bootstrap, registry) if what == "write" else read(bootstrap, registry, *topic)
