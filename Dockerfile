# One image for every process: `docker build -t debitor .`, then see docker-compose.yml.
# No health check here: each process has its own address, the compose file names it.

FROM python:3.13-slim AS build
WORKDIR /build
RUN python -m venv /opt/debitor
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /tmp/wheel . \
    && /opt/debitor/bin/pip install --no-cache-dir -c constraints.txt /tmp/wheel/*.whl

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/debitor --create-home --shell /usr/sbin/nologin debitor
COPY --from=build /opt/debitor /opt/debitor
ENV PATH=/opt/debitor/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER debitor
WORKDIR /var/lib/debitor
EXPOSE 8000
ENTRYPOINT ["debitor"]
CMD ["--help"]
