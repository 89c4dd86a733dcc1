# shellcheck shell=bash
# What the rest needs, and its end: programs, a dockerd, images of others.

DOCKER=''
OWN_DOCKERD=''
MADE_IMAGES=()

install_what_is_missing() {
  local packages=()
  { have docker && have dockerd; } || packages+=(docker.io)
  have docker-compose || packages+=(docker-compose)
  have mmdebstrap || packages+=(mmdebstrap)
  have curl || packages+=(curl)
  ((${#packages[@]} > 0)) || return 0
  apt-get update -q
  apt-get install -q -y --no-install-recommends "${packages[@]}"
  echo "installed ${packages[*]}"
}

have() {
  PATH=$PATH:/usr/sbin type -P "$1" >/dev/null
}

find_programs() {
  PATH=$PATH:/usr/sbin # where dockerd is
  # The one from a package, with what it needs to build; another in the path may be a bare client.
  DOCKER=$(PATH=/usr/bin:$PATH type -P docker)
  COMPOSES=(docker-compose)
  if docker compose version >/dev/null 2>&1; then COMPOSES+=("docker compose"); fi
}

docker() {
  DOCKER_BUILDKIT=1 "$DOCKER" "$@"
}

find_or_start_dockerd() {
  if dockerd_answers; then
    echo "# dockerd runs already"
    return
  fi
  OWN_DOCKERD=yes
  export DOCKER_HOST=unix://$FOLDER/docker.sock
  need "dockerd starts" start_dockerd
}

# Without bridge and firewall rules, which a machine may not allow.
start_dockerd() {
  ((EUID == 0)) || fail "no dockerd runs, and only root can start one"
  setsid dockerd --data-root "$IMAGES" --exec-root "$FOLDER/exec" --pidfile "$FOLDER/dockerd.pid" \
    --host "$DOCKER_HOST" --bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
    >"$FOLDER/dockerd.log" 2>&1 &
  within 60 dockerd_answers || fail "$(tail -n 20 "$FOLDER/dockerd.log")"
  docker version --format 'version {{.Server.Version}}'
}

dockerd_answers() {
  docker info >/dev/null 2>&1
}

# By its id. What it leaves mounted would stay for ever, and be in the way of deleting its folder.
end_dockerd() {
  local id mounted
  [[ -n $OWN_DOCKERD && -e $FOLDER/dockerd.pid ]] || return 0
  id=$(<"$FOLDER/dockerd.pid")
  kill "$id"
  within 60 has_gone "$id"
  awk -v under="$FOLDER/" 'index($2, under) == 1 { print $2 }' /proc/self/mounts | sort --reverse |
    while read -r mounted; do umount "$mounted"; done
}

has_gone() {
  ! kill -0 "$1" 2>/dev/null
}

# find_or_make_image NAME COMMAND: the command makes a stand-in where no registry can be reached.
find_or_make_image() {
  if docker image inspect "$1" >/dev/null 2>&1; then
    echo "# $1 is here already"
    return
  fi
  MADE_IMAGES+=("$1")
  if timeout 600 "$DOCKER" pull --quiet "$1" >>"$LOG" 2>&1; then
    echo "# $1 is pulled"
  else
    need "no registry can be reached: a stand-in for $1, from Debian" "$2"
  fi
}

# What the Dockerfile needs of the real one, under its name. This machine's way to crates.io (settings of cargo,
# certificates) goes into the stand-in, so that neither the Dockerfile nor the repository has to know of it.
make_rust_image() {
  local toolchain certificates settings hook
  toolchain=$(rustc --print sysroot)
  certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
  settings=${CARGO_HOME:-$HOME/.cargo}/config.toml
  hook="set -e; mkdir -p \"\$1/usr/local/cargo\"
    tar -C '$toolchain' -c bin lib | tar -C \"\$1/usr/local\" -x --no-same-owner
    cp '$certificates' \"\$1/usr/local/cargo/certificates.crt\"
    if [ -e '$settings' ]; then cp '$settings' \"\$1/usr/local/cargo/config.toml\"; fi"
  mmdebstrap --quiet --variant=minbase --include=ca-certificates,gcc,libc6-dev \
    --customize-hook="$hook" bookworm - |
    docker import --change "ENV CARGO_HOME=/usr/local/cargo" \
      --change "ENV CARGO_HTTP_CAINFO=/usr/local/cargo/certificates.crt" \
      --change "ENV SSL_CERT_FILE=/usr/local/cargo/certificates.crt" \
      - "$BASE" >>"$LOG"
}

# They stay where somebody asked for a fast next run.
remove_made_images() {
  if [[ -z ${DOCKER_TEST_FOLDER-} ]]; then docker image rm "${MADE_IMAGES[@]}"; fi
}
