"""RabbitMQ, or a broker in memory for the embedded form: it delivers wake-ups, the inbox keeps the events."""
