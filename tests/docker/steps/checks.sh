# shellcheck shell=bash
# How a check is told, and what checks have in common. A check is a function that ends with an error if it fails.

passed=0
failed=0

# check WHAT COMMAND...: runs the command and tells what came of it; of its output, the last line, or all if it failed.
check() {
  local what=$1 detail status start=$EPOCHREALTIME
  shift
  set +e
  detail=$(set -e; "$@" 2>&1)
  status=$?
  set -e
  if ((status == 0)); then
    detail=${detail##*$'\n'}
    passed=$((passed + 1))
    printf 'ok     %6.1f s  %s\n' "$(since "$start")" "$what${detail:+: $detail}"
  else
    failed=$((failed + 1))
    printf 'FAILED %6.1f s  %s\n' "$(since "$start")" "$what"
    quote <<<"$detail"
  fi
}

# The same for what the rest cannot do without.
need() {
  local before=$failed
  check "$@"
  ((failed == before)) || exit 1
}

# The lines of somebody else among ours.
quote() {
  tail -n 40 | sed 's/^/       | /'
}

fail() {
  echo "$*"
  return 1
}

since() {
  awk "BEGIN { print $EPOCHREALTIME - $1 }"
}

# within SECONDS COMMAND...: waits until the command succeeds.
within() {
  local seconds=$1 end
  end=$((SECONDS + seconds))
  shift
  until "$@"; do
    if ((SECONDS >= end)); then
      echo "not within $seconds s: $*"
      return 1
    fi
    sleep 0.1
  done
}

free_port() {
  local candidate
  for candidate in $(shuf --input-range 20000-29999 --head-count 100); do
    if ! (: <>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  fail "no free port"
}
