# shellcheck shell=bash
# People who use the server, with the real client. A world is a folder with their homes and the network between them.

build_client() {
  if [[ -n $CLIENT_DEMO ]]; then
    echo "$CLIENT_DEMO, as given"
    return
  fi
  (cd "$ROOT" && cargo build --quiet --locked --package client-demo --message-format json >"$FOLDER/built")
  # Libraries have no executable.
  grep -o -P '"executable":"\K[^"]+' "$FOLDER/built" >"$FOLDER/client-demo"
}

client() {
  "${CLIENT_DEMO:-$(<"$FOLDER/client-demo")}" "$@"
}

# publish WORLD
publish() {
  client init --home "$FOLDER/$1/bob" --account bob@example.org >>"$LOG"
  client publish --home "$FOLDER/$1/bob" --server "http://127.0.0.1:$PORT" >>"$LOG"
  bobs_prekeys "$1" | sed 's/$/ prekeys/'
}

# write_to_bob WORLD NAME TEXT: somebody new writes, for which a prekey is taken.
write_to_bob() {
  local before after
  before=$(bobs_prekeys "$1")
  client init --home "$FOLDER/$1/$2" --account "$2@example.org" >>"$LOG"
  client send --home "$FOLDER/$1/$2" --network "$FOLDER/$1/net" --server "http://127.0.0.1:$PORT" \
    bob@example.org "$3" >>"$LOG"
  after=$(bobs_prekeys "$1")
  echo "$before before, $after after"
  ((after == before - 1))
}

# bob_reads WORLD TEXT...
bob_reads() {
  local world=$1 said text
  shift
  said=$(client receive --home "$FOLDER/$world/bob" --network "$FOLDER/$world/net")
  for text in "$@"; do
    [[ $said == *"$text"* ]] || fail "no '$text' in: $said"
  done
}

# bobs_prekeys WORLD: how many the server says it has for him.
bobs_prekeys() {
  client status --home "$FOLDER/$1/bob" | grep -o -P '^on it +\K[0-9]+(?= prekeys)'
}
