# Runnel with the drivers of every queue and store, from the locked requirements. `docker build -t runnel .`
FROM node:22.17.0-bookworm-slim AS web

WORKDIR /build
ENV CI=true
COPY scripts/snippet scripts/dashboard scripts/
COPY snippet snippet
RUN mkdir -p src/runnel/ingest && scripts/snippet
COPY dashboard dashboard
RUN scripts/dashboard

FROM python:3.11.13-slim-bookworm AS build

WORKDIR /build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/runnel
COPY requirements.lock ./
RUN /opt/runnel/bin/pip install --require-hashes --only-binary :all: --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY --from=web /build/src/runnel/ingest/built ./src/runnel/ingest/built
COPY --from=web /build/src/runnel/dashboard ./src/runnel/dashboard
RUN /opt/runnel/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels . \
    && /opt/runnel/bin/pip install --no-deps --no-index wheels/*.whl \
    && /opt/runnel/bin/pip uninstall --yes setuptools pip

FROM python:3.11.13-slim-bookworm

RUN groupadd --system --gid 10001 runnel \
    && useradd --system --uid 10001 --gid runnel --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin runnel \
    && install --directory --owner runnel --group runnel --mode 0700 /var/lib/runnel
COPY --from=build /opt/runnel /opt/runnel
ENV PATH=/opt/runnel/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 RUNNEL_DATA=/var/lib/runnel

USER 10001:10001
WORKDIR /var/lib/runnel
VOLUME /var/lib/runnel
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=3)"]
ENTRYPOINT ["runnel"]
CMD ["up"]
