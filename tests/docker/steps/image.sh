# shellcheck shell=bash
# The Dockerfile as it is, and the image that comes of it.

build_image() {
  local proxies=() name
  for name in http_proxy https_proxy no_proxy; do
    if [[ -n ${!name-} ]]; then proxies+=(--build-arg "$name"); fi
  done
  docker build --network host --progress plain "${proxies[@]}" --tag "$IMAGE" "$ROOT"
  echo "$IMAGE"
}

image_is_small() {
  local bytes
  bytes=$(docker image inspect --format '{{.Size}}' "$IMAGE")
  awk "BEGIN { printf \"%.1f MB\n\", $bytes / 1e6 }"
  ((bytes < 30000000))
}

image_holds_one_program() {
  local id files
  id=$(docker create --network host "$IMAGE")
  # Without what docker puts into every container.
  files=$(docker export "$id" | tar -t | grep -v -x -E '\.dockerenv|(dev|etc|proc|sys)/.*' | grep -v '/$')
  docker rm --volumes "$id" >/dev/null
  [[ $files == usr/local/bin/prekey-server ]] || fail "it holds: $files"
}

identity_is_demanded() {
  local said
  said=$(timeout 20 "$DOCKER" run --rm --network none "$IMAGE" 2>&1) && fail "it started"
  [[ $said == *--identity* ]] || fail "it said: $said"
}
