"""HTTP in: e-conomic's hooks, the JSON API, health and metrics; thin: check, accept, answer."""
