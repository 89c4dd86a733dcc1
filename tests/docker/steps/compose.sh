# shellcheck shell=bash
# The unmodified compose.yaml.

compose() {
  # Version 2 is two words.
  # shellcheck disable=SC2086
  (cd "$ROOT" && DOCKER_BUILDKIT=1 $COMPOSE "$@")
}

compose_config() {
  compose config >/dev/null
}

compose_demands_identity() {
  local said
  said=$(unset PREKEY_SERVER_IDENTITY; compose config 2>&1) && fail "it accepts"
  [[ $said == *"into .env"* ]] || fail "it said: $said"
}

compose_up() {
  compose up -d >>"$LOG" 2>&1
  within 60 health_is "$(compose ps -q prekey-server)" healthy
  health_answers
}

port_is_local() {
  local listening
  listening=$(awk -v port="$(printf ':%04X' "$PORT")" '$4 == "0A" && substr($2, length($2) - 4) == port { print $2 }' \
    /proc/net/tcp /proc/net/tcp6)
  [[ $listening == 0100007F:* && $listening != *$'\n'* ]] || fail "listening: $listening"
}

# By what the proxy says of them: one who asks too often is refused, and another is not.
clients_are_told_apart() {
  local refused
  refused=$(for _ in {1..200}; do status_of 192.0.2.1; done | grep -c -x 429 || true)
  echo "$refused of 200 refused"
  ((refused > 0 && refused < 200))
  [[ $(status_of 192.0.2.2) == 200 ]] || fail "the other one is refused, too"
}

# The status of a request that a proxy makes for somebody with this address.
status_of() {
  curl --silent --output /dev/null --write-out '%{http_code}\n' --max-time 5 --header "X-Forwarded-For: $1" \
    "http://127.0.0.1:$PORT/v1/server"
}

compose_down_and_up() {
  local before
  before=$(compose exec -T prekey-server prekey-server fingerprint)
  compose down >>"$LOG" 2>&1
  ! server_answers || fail "something answers on port $PORT after down"
  compose up -d >>"$LOG" 2>&1
  within 10 server_answers
  [[ $(compose exec -T prekey-server prekey-server fingerprint) == "$before" ]] || fail "it was $before"
  echo "${before:0:16}…"
}

compose_stops_cleanly() {
  local state
  compose stop >>"$LOG" 2>&1
  state=$(docker inspect --format 'exit code {{.State.ExitCode}}' "$(compose ps -a -q prekey-server)")
  echo "$state"
  [[ $state == "exit code 0" ]]
}

compose_leaves_nothing() {
  local left
  compose down --volumes >>"$LOG" 2>&1
  left=$(for what in container volume network; do
    docker "$what" ls --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME"
  done)
  [[ -z $left ]] || fail "left: $left"
}
