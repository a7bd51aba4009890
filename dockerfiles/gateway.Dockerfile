# The gateway: `./bootstrap.sh image` builds it, with a base of its own where none can be pulled.
ARG BASE=debian:bookworm-slim

# As in pipecatapp.Dockerfile: the engine uses the first steps of one for the other.
FROM ${BASE} AS build
ENV DEBIAN_FRONTEND=noninteractive PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN apt-get update \
    && apt-get install -y --no-install-recommends binutils ca-certificates python3-venv
LABEL anneal.image=gateway
WORKDIR /build
# pip's settings on this machine: values of this stage are not in the image.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ARG PIP_DEFAULT_TIMEOUT
COPY . /build/
# The packages are listed without their own dependencies: the wheel's other commands need more than the gateway does. Of evolve the
# rooms go that the app may not import (.importlinter), of the app those of the agent; it reads agents with store/agents.py.
RUN python3 -m venv /build/pip \
    && python3 -m venv --without-pip /opt/moe-gateway \
    && if test -s /build/certificates.pem; then export PIP_CERT=/build/certificates.pem; fi \
    && /build/pip/bin/pip --python /opt/moe-gateway/bin/python install --quiet --no-compile --no-deps --only-binary=:all: \
        --constraint constraints.txt --requirement gateway.packages anneal_harness-*.whl \
    && cd /opt/moe-gateway/lib/python3*/site-packages/evolve \
    && rm -rf __main__.py adaptation cli evaluation evolution executors infra own_agent providers pytest_plugin report role_lint \
        supervision cluster/demo cluster/standin ../*/tests ../pipecatapp/agent ../pipecatapp/local ../pipecatapp/power \
        ../pipecatapp/static ../pipecatapp/tools ../pipecatapp/voice \
    && find store -type f ! -name __init__.py ! -name agents.py -delete \
    && find /opt/moe-gateway -name '*.so' -exec strip --strip-unneeded {} + \
    && find /opt/moe-gateway -name '*.py[xd]' -delete \
    && /opt/moe-gateway/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/moe-gateway/lib \
    && rm -f /opt/moe-gateway/bin/evolve /opt/moe-gateway/bin/pipecatapp /opt/moe-gateway/bin/power-agent \
        /opt/moe-gateway/bin/[Aa]ctivate*

FROM ${BASE}
LABEL anneal.image=gateway
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates python3 \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
        /usr/share/man/* /usr/share/locale/* /usr/lib/python3*/test /usr/lib/python3*/lib2to3 /usr/lib/python3*/pydoc_data \
    && groupadd --gid 10001 moe-gateway \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin moe-gateway
COPY --from=build /opt/moe-gateway /opt/moe-gateway
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/moe-gateway/bin:/usr/local/bin:/usr/bin:/bin
USER 10001:10001
EXPOSE 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["moe-gateway", "health", "/etc/moe-gateway/gateway.yaml"]
ENTRYPOINT ["moe-gateway"]
CMD ["serve", "/etc/moe-gateway/gateway.yaml"]
