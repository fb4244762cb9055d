# Tallystick with the drivers of every queue and store, from the locked requirements. `docker build -t tallystick .`
FROM node:22.17.0-bookworm-slim AS web

WORKDIR /build
ENV CI=true
COPY scripts/node scripts/snippet scripts/dashboard scripts/
COPY snippet snippet
RUN mkdir -p src/tallystick/ingest && scripts/snippet
COPY dashboard dashboard
RUN scripts/dashboard

FROM python:3.11.13-slim-bookworm AS build

WORKDIR /build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/tallystick
COPY requirements/runtime.lock requirements/
RUN /opt/tallystick/bin/pip install --require-hashes --only-binary :all: --requirement requirements/runtime.lock
COPY pyproject.toml README.md LICENSE NOTICES.md ./
COPY scripts/packaging scripts/packaging
COPY src ./src
COPY --from=web /build/src/tallystick/ingest/built ./src/tallystick/ingest/built
COPY --from=web /build/src/tallystick/dashboard ./src/tallystick/dashboard
RUN /opt/tallystick/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels . \
    && /opt/tallystick/bin/pip install --no-deps --no-index wheels/*.whl \
    && /opt/tallystick/bin/pip uninstall --yes setuptools pip

FROM python:3.11.13-slim-bookworm

RUN groupadd --system --gid 10001 tallystick \
    && useradd --system --uid 10001 --gid tallystick --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin tallystick \
    && install --directory --owner tallystick --group tallystick --mode 0700 /var/lib/tallystick
COPY --from=build /opt/tallystick /opt/tallystick
ENV PATH=/opt/tallystick/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TALLYSTICK_DATA=/var/lib/tallystick

USER 10001:10001
WORKDIR /var/lib/tallystick
VOLUME /var/lib/tallystick
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=3)"]
ENTRYPOINT ["tallystick"]
CMD ["up"]
