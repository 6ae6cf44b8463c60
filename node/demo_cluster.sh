# The nodes of `./dev demo`, sourced by demo.sh: their configurations, how they start, and how all of it ends.
# shellcheck shell=bash

start_seconds=20 # how long a node may take to start
transports=(tcp tls unix shm auto)
nodes=(worker-2 worker-1 shard-1 shard-2 shard-3 front) # callees before their callers

declare -A pids=() urls=() # by node name; what it listens on, best first, with blanks between
temporary=''

die() {
  printf '\n%sdemo: %s%s\n' "$red" "$1" "$plain" >&2
  [ $# -lt 2 ] || printf '      %s\n' "$2" >&2
  exit 1
}

# Ends what this script has started, and nothing else.
clean_up() {
  local status=$? name pid
  trap '' INT TERM
  trap - EXIT
  {
    for name in "${!pids[@]}"; do
      kill -TERM "${pids[$name]}" || true
      kill -CONT "${pids[$name]}" || true
    done
    for pid in $(jobs -p); do
      for _ in {1..50}; do
        kill -0 "$pid" || break
        sleep 0.1
      done
      kill -KILL "$pid" || true
    done
    wait
  } 2>/dev/null || true
  [ -z "$temporary" ] || rm -rf "$temporary"
  exit "$status"
}

# Everything that is made lands there. A socket's path must be short.
make_temporary() {
  temporary=$(mktemp -d)
  [ ${#temporary} -le 60 ] || {
    rmdir "$temporary"
    temporary=$(mktemp -d -p /tmp)
  }
}

# Certificates for the nodes, and one for the command.
make_certificates() {
  export ONWARD_TLS_CA=$temporary/certs/ca.pem
  export ONWARD_TLS_CERT=$temporary/certs/you.pem ONWARD_TLS_KEY=$temporary/certs/you.key
  {
    "$onward" certs init "$temporary/certs"
    "$onward" certs issue "$temporary/certs" "${nodes[@]}" notebook you
  } >"$temporary/certs.out" 2>&1 || {
    cat "$temporary/certs.out" >&2
    die "there are no certificates"
  }
}

# ---- Configurations ----

# toml_string TEXT
toml_string() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# toml_urls URL…: one as a string, several as an array.
toml_urls() {
  local url list=''
  for url in "$@"; do list+="${list:+, }$(toml_string "$url")"; done
  [ $# -eq 1 ] || list="[$list]"
  printf '%s' "$list"
}

# addresses NODE: where it listens over the transport that is chosen.
addresses() {
  case $transport in
    tcp) echo tcp://127.0.0.1:0 ;;
    tls) echo tls://127.0.0.1:0 ;;
    unix) echo "unix://$temporary/$1.sock" ;;
    shm) echo "shm://$temporary/$1.shm" ;;
    auto) echo "shm://$temporary/$1.shm tcp://127.0.0.1:0" ;;
  esac
}

# peers NODE…: whom a node calls.
peers() {
  local name
  printf '[peers]\n'
  # shellcheck disable=SC2086 # several URLs, several words
  for name in "$@"; do printf '%s = %s\n' "$name" "$(toml_urls ${urls[$name]})"; done
}

module() { printf '[[modules]]\nname = "%s"\n' "$1"; }

# What a node does and whom it calls.
work_of() {
  local i=${1#shard-}
  case $1 in
    worker-2) module rfc ;;
    worker-1)
      peers worker-2
      module rfc
      printf 'dst = "worker-2"\n'
      ;;
    shard-*)
      module search
      printf 'folder = %s\nparts = %d\n' "$(toml_string "${folders[i - 1]}")" "${parts[i - 1]}"
      printf 'part = %d\n' $((parts[i - 1] > 1 ? i : 1))
      ;;
    notebook) peers front worker-2 ;;
    front)
      peers worker-1 worker-2 shard-1 shard-2 shard-3
      module rfc
      printf 'dst = "worker-1"\ndst2 = "worker-2"\n'
      module search
      printf 'shards = ["shard-1", "shard-2", "shard-3"]\n'
      ;;
  esac
}

# configure NODE URL…. Its certificate is always named, and used over tls only.
configure() {
  local name=$1 certs=$temporary/certs
  shift
  printf 'name = "%s"\nlisten = %s\n' "$name" "[$(toml_urls "$@" | tr -d '[]')]"
  printf '[tls]\n'
  printf '%s\n' "certificate = \"$certs/$name.pem\"" "key = \"$certs/$name.key\"" "ca = \"$certs/ca.pem\""
  work_of "$name"
}

# ---- Nodes ----

# start NODE URL…
start() {
  local name=$1 ready
  configure "$@" >"$temporary/$name.toml"
  rm -f "$temporary/$name.out"
  mkfifo "$temporary/$name.out"
  "$onward" node --config "$temporary/$name.toml" >"$temporary/$name.out" 2>>"$temporary/$name.log" </dev/null &
  pids[$name]=$!
  # It says "ready NAME URL…", with the ports that it has got.
  read -r -t "$start_seconds" _ _ ready <"$temporary/$name.out" || {
    cat "$temporary/$name.log" >&2
    die "node $name did not start" "What it said is above."
  }
  urls[$name]=$ready
}

# end NODE SIGNAL
end() {
  {
    kill "-$2" "${pids[$1]}" || true
    wait "${pids[$1]}" || true
  } 2>/dev/null
  unset "pids[$1]"
}

start_all() {
  local name
  # shellcheck disable=SC2046 # several URLs, several words
  for name in "${nodes[@]}"; do start "$name" $(addresses "$name"); done
}

end_all() {
  local name
  kill -TERM "${pids[@]}" 2>/dev/null || true
  for name in "${nodes[@]}"; do end "$name" TERM; done
}

# The URL that a node is called by here: its best.
url_of() { printf '%s' "${urls[$1]%% *}"; }
