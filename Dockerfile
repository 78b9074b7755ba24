# syncd as an image: `docker build -t syncd .`; docker-compose.yml next to this file says how to run it.
# Debian slim, not Alpine: the embedded PostgreSQL comes as a wheel for glibc.

FROM python:3.13-slim AS build
WORKDIR /source
# The locked dependencies first: they change seldom, so this layer is built seldom.
COPY requirements/run.txt requirements/run.txt
RUN python -m venv --without-pip /opt/syncd \
 && pip --python /opt/syncd/bin/python install --no-cache-dir --require-hashes --only-binary=:all: \
      -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY sql sql
COPY syncd syncd
# run.txt also locks what builds the package, so that nothing is fetched unhashed; it has no business in the result.
RUN pip --python /opt/syncd/bin/python install --no-cache-dir --no-deps --no-build-isolation . \
 && pip --python /opt/syncd/bin/python uninstall --yes hatchling editables pathspec pluggy tomlkit trove-classifiers

FROM python:3.13-slim
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="syncd" \
      org.opencontainers.image.description="Keeps a PostgreSQL copy of the clients and projects of many Toggl accounts" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="python:3.13-slim"
# The user needs a name: the embedded PostgreSQL does not make a cluster for a bare number.
RUN groupadd --gid 10001 syncd \
 && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /var/lib/syncd \
      --shell /usr/sbin/nologin syncd \
 && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/syncd
COPY --from=build /opt/syncd /opt/syncd
# XDG_DATA_HOME: without a database URL the embedded PostgreSQL lives in /var/lib/syncd; give it a volume then.
ENV PATH=/opt/syncd/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    XDG_DATA_HOME=/var/lib \
    SYNCD_SERVICE__LISTEN=0.0.0.0:9108
USER 10001:10001
WORKDIR /var/lib/syncd
EXPOSE 9108
# It asks /livez: a database that is away is no reason to restart syncd.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-m", "syncd.service.probe"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["syncd"]
CMD ["run"]
