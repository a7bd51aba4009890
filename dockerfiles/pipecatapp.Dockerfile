# The agent, without voice: `./bootstrap.sh image` builds it, with a base of its own where none can be pulled.
ARG BASE=debian:bookworm-slim

# As in gateway.Dockerfile: the engine uses the first steps of one for the other.
FROM ${BASE} AS build
ENV DEBIAN_FRONTEND=noninteractive PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN apt-get update \
    && apt-get install -y --no-install-recommends binutils ca-certificates python3-venv
LABEL anneal.image=pipecatapp
WORKDIR /build
# pip's settings on this machine: values of this stage are not in the image.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ARG PIP_DEFAULT_TIMEOUT
COPY . /build/
# The packages are listed without their own dependencies: the wheel's other commands need more than the agent does. Of evolve the
# rooms go that the app may not import (.importlinter); it reads agents with store/agents.py.
RUN python3 -m venv /build/pip \
    && python3 -m venv --without-pip /opt/pipecatapp \
    && if test -s /build/certificates.pem; then export PIP_CERT=/build/certificates.pem; fi \
    && /build/pip/bin/pip --python /opt/pipecatapp/bin/python install --quiet --no-compile --no-deps --only-binary=:all: \
        --constraint constraints.txt --requirement pipecatapp.packages anneal_harness-*.whl \
    && cd /opt/pipecatapp/lib/python3*/site-packages/evolve \
    && rm -rf __main__.py adaptation cli evaluation evolution executors infra own_agent providers pytest_plugin report role_lint \
        supervision cluster/demo cluster/standin ../*/tests ../pipecatapp/local ../pipecatapp/power \
    && find store -type f ! -name __init__.py ! -name agents.py -delete \
    && find /opt/pipecatapp -name '*.so' -exec strip --strip-unneeded {} + \
    && find /opt/pipecatapp -name '*.py[xd]' -delete \
    && /opt/pipecatapp/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/pipecatapp/lib \
    && find /opt/pipecatapp/bin -type f ! -name pipecatapp -delete

FROM ${BASE}
LABEL anneal.image=pipecatapp
# The tool ssh runs Debian's program.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates openssh-client python3 \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
        /usr/share/man/* /usr/share/locale/* /usr/lib/python3*/test /usr/lib/python3*/lib2to3 /usr/lib/python3*/pydoc_data \
    && groupadd --gid 10002 pipecatapp \
    && useradd --uid 10002 --gid 10002 --no-create-home --home-dir /var/lib/pipecatapp --shell /usr/sbin/nologin pipecatapp \
    && install -d -o pipecatapp -g pipecatapp -m 0700 /var/lib/pipecatapp
COPY --from=build /opt/pipecatapp /opt/pipecatapp
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/pipecatapp/bin:/usr/local/bin:/usr/bin:/bin
USER 10002:10002
EXPOSE 8002
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["pipecatapp", "health", "/etc/pipecatapp/agent.yaml"]
ENTRYPOINT ["pipecatapp"]
CMD ["serve", "/etc/pipecatapp/agent.yaml"]
