"""The peer: what people usually write: Flask, a secret check, and one confirmed `actor.send` per request."""

import hmac
import os

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from flask import Flask, abort, request

SECRET = os.environ["BENCH_SECRET"]

broker = RabbitmqBroker(url=os.environ["DEBITOR_BROKER_URL"], confirm_delivery=True)
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name="bench_usual_way", max_retries=3)
def customer_updated(agreement: int, old: str, new: str) -> None:
    """Consumed by nobody here."""


app = Flask("usual")


@app.route("/webhooks/e-conomic/<int:agreement>/<secret>/customer", methods=["GET", "POST"])
def customer(agreement: int, secret: str) -> tuple[str, int]:
    if not hmac.compare_digest(secret, SECRET):
        abort(404)
    customer_updated.send(agreement, request.values.get("old", ""), request.values.get("new", ""))
    return "", 202
