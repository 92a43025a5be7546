"""The peer: what Flask alone does on the same server, processes and threads."""

from flask import Flask


def make() -> Flask:
    app = Flask("bare")

    @app.route("/webhooks/e-conomic/<int:agreement>/<secret>/customer", methods=["GET", "POST"])
    def customer(agreement: int, secret: str) -> tuple[str, int]:
        return "", 202

    return app
