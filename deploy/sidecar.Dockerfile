# The image of the lease sidecar. Context: the top of the repository.
#   docker build -f deploy/sidecar.Dockerfile -t leasehold/lease-sidecar .

FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
# As in Dockerfile: caches outlive the layers, and the binary is copied out of them.
RUN --mount=type=cache,id=leasehold-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=leasehold-target,target=/src/target,sharing=locked \
    cargo build --release --locked -p leasehold-sidecar --bin lease-sidecar \
    && install -D -m 0755 target/release/lease-sidecar /out/lease-sidecar

FROM debian:bookworm-slim
# ca-certificates: lease nodes outside this host are reached over TLS, checked against them.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/lease-sidecar /usr/local/bin/lease-sidecar

# By number: an orchestrator that demands a non-root user cannot look names up.
USER 10001:10001
# Loopback, on purpose: containers of one pod share it, and nobody else does.
ENV LEASEHOLD_LISTEN=127.0.0.1:3501
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/lease-sidecar"]
CMD ["serve"]
