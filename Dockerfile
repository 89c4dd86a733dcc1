# The prekey server in an image that holds one static binary and nothing else. docs/deploy.md says how to run it.

# What decides which dependencies are built: the manifests, with an empty library in each package.
FROM rust:1-bookworm AS manifests
WORKDIR /src
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -path '*/benches/*' -delete \
 && find . -mindepth 2 -name Cargo.toml -execdir sh -c 'mkdir -p src && touch src/lib.rs' \; \
 && find . -type d -empty -delete

FROM rust:1-bookworm AS build
WORKDIR /src
# An explicit target, even though it is this machine's own, keeps the flag away from build scripts and macros,
# which cannot be static.
ENV RUSTFLAGS="-C target-feature=+crt-static" CARGO_BUILD_TARGET=host-tuple

# Dependencies in a layer of their own: it stays as long as the manifests do.
COPY --from=manifests /src .
RUN cargo build --release --locked --package prekey-server

COPY otrv4 otrv4
COPY prekey-server prekey-server
COPY migrations migrations
# Sources may be older than the empty libraries that were built above, and cargo compares times.
RUN find otrv4 prekey-server -name '*.rs' -exec touch {} + \
 && cargo build --release --locked --package prekey-server \
 && mv target/*/release/prekey-server /usr/local/bin/ \
 && mkdir --parents /image/data \
 && chmod 0700 /image/data

FROM scratch
COPY --from=build /usr/local/bin/prekey-server /usr/local/bin/prekey-server
# A new volume has the owner and the mode of the folder /data that is in here.
COPY --from=build --chown=10001:10001 /image /
VOLUME /data
# SQLite's temporary files can be as large as the database: /tmp, where there is one, is memory.
ENV SQLITE_TMPDIR=/data
WORKDIR /data
USER 10001:10001

# PREKEY_SERVER_IDENTITY is missing on purpose: only the operator knows the server's name.
ENV PREKEY_SERVER_LISTEN=0.0.0.0:7448 \
    PREKEY_SERVER_DATABASE=/data/prekeys.db \
    PREKEY_SERVER_KEY_FILE=/data/key
EXPOSE 7448
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["prekey-server", "healthcheck"]
ENTRYPOINT ["prekey-server"]
CMD ["serve"]
