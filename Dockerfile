# Asterisk and the engine in one image, because they are one installation: the engine starts Asterisk, asks it through a
# socket in the file system and reads the recordings that it writes. See docs/how-to/docker.md.

FROM debian:testing-slim AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY setup.cfg pyproject.toml LICENSE README.md ./
COPY ivr ivr
COPY acd acd
COPY agents agents
COPY recordings recordings
COPY dialplans dialplans
COPY asterisk-conf asterisk-conf
COPY telefonista telefonista
RUN python3 -m venv /opt/telefonista \
    && /opt/telefonista/bin/pip install --no-cache-dir ".[postgresql]"

FROM debian:testing-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends asterisk espeak-ng python3 tini \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/telefonista /opt/telefonista
COPY packaging/docker/start /usr/local/bin/telefonista-start
COPY packaging/docker/config.yaml /usr/share/telefonista/config.yaml
# The numbers are fixed so that volumes keep their owner when the image is built anew.
RUN groupadd --gid 4636 telefonista \
    && useradd --uid 4636 --gid 4636 --home-dir /var/lib/telefonista --shell /usr/sbin/nologin telefonista \
    && install -d -o telefonista -g telefonista -m 0750 /var/lib/telefonista /var/cache/telefonista
ENV PATH=/opt/telefonista/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    TELEFONISTA_HOME=/var/lib/telefonista \
    XDG_CACHE_HOME=/var/cache \
    PYTHONUNBUFFERED=1
USER telefonista
WORKDIR /var/lib/telefonista
VOLUME ["/var/lib/telefonista", "/var/cache/telefonista"]
# Calls are hung up and recordings closed before it ends.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=15s --start-period=90s --retries=3 \
    CMD telefonista status --json | grep -q '"ready": true'
ENTRYPOINT ["tini", "--", "telefonista-start"]
CMD ["run"]
