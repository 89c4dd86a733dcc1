# shellcheck shell=bash
# One container with as few rights and as little memory as it needs.

run_hardened() {
  docker volume create "$VOLUME" >/dev/null
  docker run --detach --name "$CONTAINER" --network host \
    --read-only --cap-drop ALL --security-opt no-new-privileges --tmpfs /tmp --volume "$VOLUME:/data" \
    --memory 64m --memory-swap 64m --pids-limit 64 \
    --env PREKEY_SERVER_IDENTITY --env "PREKEY_SERVER_LISTEN=127.0.0.1:$PORT" "$IMAGE" >/dev/null
  within 10 server_answers
}

server_answers() {
  curl --silent --fail --max-time 5 --output /dev/null "http://127.0.0.1:$PORT/health"
}

container_is_healthy() {
  within 60 health_is "$CONTAINER" healthy
  docker inspect --format '{{join .Config.Healthcheck.Test " "}}' "$CONTAINER"
}

health_is() {
  [[ $(docker inspect --format '{{.State.Health.Status}}' "$1") == "$2" ]]
}

health_answers() {
  curl --silent --show-error --fail --max-time 5 "http://127.0.0.1:$PORT/health"
}

# Into the volume while the server runs, and from there back while it does not.
backup_and_restore() {
  docker exec "$CONTAINER" prekey-server backup --to /data/backup.db
  docker stop --time 40 "$CONTAINER" >/dev/null
  docker run --rm --network host --read-only --cap-drop ALL --security-opt no-new-privileges \
    --volume "$VOLUME:/data" --memory 64m --memory-swap 64m --pids-limit 64 \
    "$IMAGE" restore --from /data/backup.db
  docker start "$CONTAINER" >/dev/null
  within 10 server_answers
  [[ $(bobs_prekeys run) == 0 ]]
}

# What the kernel says about the process, not what docker was told.
process_is_confined() {
  local status
  status=$(<"/proc/$(process)/status")
  has_line "$status" $'Uid:\t10001\t10001\t10001\t10001'
  has_line "$status" $'Gid:\t10001\t10001\t10001\t10001'
  has_line "$status" $'CapBnd:\t0000000000000000'
  has_line "$status" $'CapEff:\t0000000000000000'
  has_line "$status" $'NoNewPrivs:\t1'
}

process() {
  docker inspect --format '{{.State.Pid}}' "$CONTAINER"
}

has_line() {
  grep -q -F -x "$2" <<<"$1" || fail "not $2, but $(grep "^${2%%:*}:" <<<"$1")"
}

limits_are_in_force() {
  local memory pids
  memory=$(control_group memory memory.max memory.limit_in_bytes)
  pids=$(control_group pids pids.max pids.max)
  echo "$memory bytes, $pids processes and threads"
  [[ $memory:$pids == 67108864:64 ]]
}

# control_group CONTROLLER FILE OLD_FILE: what a file of the container's control group says, in version 2 or 1.
control_group() {
  local path
  if path=$(grep -o -P '^0::\K/.+' "/proc/$(process)/cgroup") && [[ -e /sys/fs/cgroup$path/$2 ]]; then
    cat "/sys/fs/cgroup$path/$2"
  else
    path=$(grep -o -P "^[0-9]+:([^:]*,)?$1(,[^:]*)?:\K.*" "/proc/$(process)/cgroup")
    cat "/sys/fs/cgroup/$1$path/$3"
  fi
}

root_filesystem_is_read_only() {
  local said
  said=$(timeout 20 "$DOCKER" exec --user 0 "$CONTAINER" prekey-server serve --listen 127.0.0.1:0 \
    --database /tmp/other.db --key-file /key 2>&1) && fail "it started"
  [[ $said == *"Read-only file system"* ]] || fail "it said: $said"
}

# The folder in the volume, and the files in it.
data_is_private() {
  local data modes
  data=$(docker volume inspect --format '{{.Mountpoint}}' "$VOLUME")
  modes=$(stat --format '%u:%g %a %n' "$data" "$data"/* | sed "s|$data|/data|")
  [[ $modes == "10001:10001 700 /data"* ]] || fail "$modes"
  ! tail -n +2 <<<"$modes" | grep -v '^10001:10001 600 ' || fail "$modes"
  tail -n +2 <<<"$modes" | wc -l | sed 's/$/ files of mode 600 in a folder of mode 700/'
}

# Resident memory of the process (VmRSS, the program's own pages included) is what must be small.
idle_memory_is_small() {
  local status resident anonymous stats
  sleep 2
  status=/proc/$(process)/status
  resident=$(awk '$1 == "VmRSS:" { print $2 }' "$status")
  anonymous=$(awk '$1 == "RssAnon:" { print $2 }' "$status")
  stats=$(docker stats --no-stream --format '{{.MemUsage}}' "$CONTAINER")
  awk "BEGIN { printf \"resident (VmRSS) %.1f MB, of it anonymous %.1f MB; docker stats: %s\n\", \
    $resident * 1024 / 1e6, $anonymous * 1024 / 1e6, \"$stats\" }"
  ((resident * 1024 < 20000000))
}

restart_keeps_the_key() {
  local before
  before=$(docker exec "$CONTAINER" prekey-server fingerprint)
  docker restart --time 40 "$CONTAINER" >/dev/null
  within 10 server_answers
  [[ $(docker exec "$CONTAINER" prekey-server fingerprint) == "$before" ]] || fail "it was $before"
  echo "${before:0:16}…"
}

sigterm_ends_it() {
  local start=$EPOCHREALTIME state
  docker kill --signal TERM "$CONTAINER" >/dev/null
  within 30 has_ended "$CONTAINER"
  state=$(docker inspect --format 'exit code {{.State.ExitCode}}, out of memory: {{.State.OOMKilled}}' "$CONTAINER")
  printf '%s, after %.1f s\n' "$state" "$(since "$start")"
  [[ $state == "exit code 0, out of memory: false" ]]
}

has_ended() {
  [[ $(docker inspect --format '{{.State.Status}}' "$1") == exited ]]
}
