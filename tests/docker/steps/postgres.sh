# shellcheck shell=bash
# compose.postgres.yaml beside compose.yaml.

# What compose.postgres.yaml uses of the real one: three variables, the folder of the data, and the user postgres.
make_postgres_image() {
  local hook
  cat >"$FOLDER/entrypoint" <<'END'
#!/bin/sh
set -e
data=/var/lib/postgresql/data
programs=$(echo /usr/lib/postgresql/*/bin)
chown postgres "$data" && chmod 0700 "$data"
as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
if [ ! -e "$data/PG_VERSION" ]; then
  echo "$POSTGRES_PASSWORD" >/tmp/password && chmod 0644 /tmp/password
  as_postgres "$programs/initdb" --username="$POSTGRES_USER" --pwfile=/tmp/password --auth=scram-sha-256 "$data"
  rm /tmp/password
  echo "CREATE DATABASE $POSTGRES_DB" | as_postgres "$programs/postgres" --single -D "$data" postgres
  echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
fi
exec setpriv --reuid=postgres --regid=postgres --init-groups "$programs/postgres" -D "$data" \
  -c listen_addresses='*' -c unix_socket_directories=/tmp
END
  chmod 755 "$FOLDER/entrypoint"
  hook="cp '$FOLDER/entrypoint' \"\$1/usr/local/bin/entrypoint\""
  mmdebstrap --quiet --variant=minbase --include=postgresql \
    --essential-hook="mkdir -p \"\$1/etc/postgresql-common\"; echo 'create_main_cluster = false' >\"\$1/etc/postgresql-common/createcluster.conf\"" \
    --dpkgopt=force-confold --customize-hook="$hook" bookworm - |
    docker import --change "ENTRYPOINT [\"/usr/local/bin/entrypoint\"]" \
      --change "VOLUME /var/lib/postgresql/data" - "$POSTGRES_IMAGE" >>"$LOG"
}

compose_demands_password() {
  local said
  said=$(unset POSTGRES_PASSWORD; compose config 2>&1) && fail "it accepts"
  [[ $said == *"into .env"* ]] || fail "it said: $said"
}

tables_are_in_postgres() {
  local files
  query "SELECT count(*) || ' tables' FROM information_schema.tables WHERE table_schema = 'public'"
  files=$(ls "$(docker volume inspect --format '{{.Mountpoint}}' "${COMPOSE_PROJECT_NAME}_data")")
  [[ $files == key ]] || fail "beside the key: $files"
}

query() {
  compose exec -T postgres psql --quiet --tuples-only --no-align \
    "postgres://prekey:$POSTGRES_PASSWORD@127.0.0.1/prekeys" --command "$1"
}

postgres_comes_back() {
  docker kill "$(compose ps -q postgres)" >/dev/null
  ! server_answers || fail "the server says that its database works"
  compose up -d >>"$LOG" 2>&1
  within 30 server_answers
}
