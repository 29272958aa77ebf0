# The server as an image. Layers go from what changes rarely to what changes with every commit.
#   docker build -t realtime-engine:cuda .                         for NVIDIA GPUs
#   docker build -t realtime-engine:cpu --build-arg VARIANT=cpu .  without a GPU
# What each stage does is run in a clean root by deploy/check_image.py.
ARG VARIANT=cuda

# CUDA 13, as the PyTorch wheels have it. They bring its libraries; the base brings forward
# compatibility and the check of the driver. The second pass needs cuBLAS 12 besides (image/cuda.txt).
FROM nvidia/cuda:13.0.2-base-ubuntu24.04 AS base-cuda

FROM debian:bookworm-slim AS base-cpu

# hadolint ignore=DL3006
FROM base-${VARIANT} AS base
# Versions are those of the base image's release, so that security updates come with a new build.
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old \
        /var/log/apt /var/log/dpkg.log /var/log/alternatives.log
RUN useradd --no-log-init --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin engine

# Compiler and make are for KenLM, which has no wheels, and for what is compiled of the engine. pip stays out of the environment that it fills.
FROM base AS dependencies
ARG VARIANT
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates g++ make python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/pip \
    && python3 -m venv --without-pip /opt/venv
WORKDIR /build
COPY constraints.txt deploy/image/cpu.txt deploy/image/cuda.txt ./
# PyTorch's tests, C++ headers and programs are not for running a model; it insists on one of them.
# What there is of them depends on the variant.
RUN /opt/pip/bin/pip --python /opt/venv/bin/python install -c constraints.txt -r "${VARIANT}.txt" \
    && find /opt/venv/lib/python3.*/site-packages/torch -type f \
        \( -path "*/torch/include/*" -o -path "*/torch/test/*" -o -path "*/torch/bin/*" \) \
        ! -name torch_shm_manager -delete
COPY pyproject.toml deploy/image/requirements.py ./
RUN python3 requirements.py pyproject.toml > requirements.txt \
    && /opt/pip/bin/pip --python /opt/venv/bin/python install \
        -c constraints.txt -r "${VARIANT}.txt" -r requirements.txt

# The code without the models' weights: those are a layer of their own below.
FROM dependencies AS engine
COPY LICENSE NOTICE README.md setup.py ./
COPY models/__init__.py models/spec.py models/
COPY shm shm
COPY spoken_form spoken_form
COPY realtime_client realtime_client
COPY gpu_worker gpu_worker
COPY server server
COPY tools tools
RUN /opt/pip/bin/pip --python /opt/venv/bin/python install --no-deps --target /opt/engine .
COPY deploy/image/probe.py /opt/engine/

FROM base
LABEL org.opencontainers.image.title="realtime-engine" \
    org.opencontainers.image.description="Real-time speech recognition over WebSockets" \
    org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/engine/bin:/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/opt/engine \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
COPY --from=dependencies /opt/venv /opt/venv
COPY models /opt/engine/models
COPY --from=engine /opt/engine /opt/engine
USER 10001:10001
EXPOSE 4444 9100 9123
HEALTHCHECK --interval=10s --timeout=5s --start-period=180s --retries=3 \
    CMD ["python", "/opt/engine/probe.py", "ready"]
ENTRYPOINT ["realtime-engine"]
CMD ["serve"]
