#!/usr/bin/env bash
# A small cluster on this machine: runs the RFC's examples and a search on it, and shows what came back.
# Called by `./dev demo [FOLDER [PATTERN]]` in the root of the repository. ONWARD_BUILD names another build
# folder than build/release.
set -euo pipefail

onward=${ONWARD_BUILD:-build/release}/node/onward
start_seconds=20 # how long a node may take to start

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
  bold='' dim='' red='' green='' plain=''
fi

declare -A pids=() urls=() # by node name
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

# ---- Nodes ----

# toml_string TEXT
toml_string() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# start NAME URL, with the rest of its configuration on standard input.
start() {
  local name=$1 config=$temporary/$1.toml ready
  {
    printf 'name = "%s"\nlisten = ["%s"]\n' "$name" "$2"
    cat
  } >"$config"
  rm -f "$temporary/$name.out"
  mkfifo "$temporary/$name.out"
  "$onward" node --config "$config" >"$temporary/$name.out" 2>>"$temporary/$name.log" </dev/null &
  pids[$name]=$!
  # It says "ready NAME URL", with the port that it has got.
  read -r -t "$start_seconds" _ _ ready <"$temporary/$name.out" || {
    cat "$temporary/$name.log" >&2
    die "node $name did not start" "What it said is above."
  }
  urls[$name]=$ready
}

# end NAME SIGNAL
end() {
  {
    kill "-$2" "${pids[$1]}"
    wait "${pids[$1]}" || true
  } 2>/dev/null
  unset "pids[$1]"
}

show_node() {
  printf '  %s%-9s%s process %-8s %-26s %s\n' "$bold" "$1" "$plain" "${pids[$1]}" "${urls[$1]}" "$2"
}

# ---- Words ----

title() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
say() { printf '  %s\n' "$@"; }
more() { printf '\n'; say "$@"; }
indent() { sed 's/^/    /'; }

# show_call NODE ARGUMENT…: the command, as it would be typed.
show_call() {
  local word text="onward call ${urls[$1]}"
  shift
  for word in "$@"; do
    case $word in
      *[!A-Za-z0-9_./:-]*) text+=" '$word'" ;;
      *) text+=" $word" ;;
    esac
  done
  printf '\n    %s$ %s%s\n' "$dim" "$text" "$plain"
}

# The last line that `onward call --time` leaves on standard error.
show_time() { printf '    %sanswered in %s%s\n' "$dim" "$(tail -n 1 "$1")" "$plain"; }

# ask NODE WANTED ARGUMENT…: calls, shows, and insists on an answer that matches WANTED.
ask() {
  local node=$1 wanted=$2 answer
  shift 2
  show_call "$node" "$@"
  answer=$("$onward" call --time "${urls[$node]}" "$@" 2>"$temporary/time") || {
    cat "$temporary/time" >&2
    die "this call should have worked"
  }
  printf '    %s%s%s\n' "$green" "$answer" "$plain"
  show_time "$temporary/time"
  [[ $answer =~ $wanted ]] || die "the answer should have been $wanted"
}

# ---- What is shown ----

choose_folders() {
  pattern=${2:-}
  folders=() parts=(1 1 1)
  if [ $# -gt 0 ]; then
    local folder=$1
    # ./dev has changed to the root: the user means the folder that it came from.
    if [[ $folder != /* && -d ${OLDPWD:-.}/$folder ]]; then folder=${OLDPWD:-.}/$folder; fi
    [ -d "$folder" ] || die "there is no folder $1"
    folder=$(realpath -- "$folder")
    folders=("$folder" "$folder" "$folder") parts=(3 3 3)
    pattern=${pattern:-the}
    return
  fi
  pattern=${pattern:-warranty}
  local candidate
  for candidate in /usr/share/common-licenses /usr/share/perl5 /usr/share/doc /usr/share/perl /usr/share/bash-completion /usr/share; do
    [ ${#folders[@]} -lt 3 ] || break
    [ ! -d "$candidate" ] || folders+=("$candidate")
  done
  [ ${#folders[@]} -eq 3 ] || die "this system has too little under /usr/share" "Name a folder with text: ./dev demo FOLDER"
}

start_all() {
  start worker-2 tcp://127.0.0.1:0 <<CONFIG
[[modules]]
name = "rfc"
CONFIG
  start worker-1 tcp://127.0.0.1:0 <<CONFIG
[peers]
worker-2 = "${urls[worker-2]}"
[[modules]]
name = "rfc"
dst = "worker-2"
CONFIG
  local i
  for i in 1 2 3; do
    start "shard-$i" tcp://127.0.0.1:0 <<CONFIG
[[modules]]
name = "search"
folder = $(toml_string "${folders[i - 1]}")
parts = ${parts[i - 1]}
part = $((parts[i - 1] > 1 ? i : 1))
CONFIG
  done
  start front tcp://127.0.0.1:0 <<CONFIG
[peers]
worker-1 = "${urls[worker-1]}"
worker-2 = "${urls[worker-2]}"
shard-1 = "${urls[shard-1]}"
shard-2 = "${urls[shard-2]}"
shard-3 = "${urls[shard-3]}"
[[modules]]
name = "rfc"
dst = "worker-1"
dst2 = "worker-2"
[[modules]]
name = "search"
shards = ["shard-1", "shard-2", "shard-3"]
CONFIG
}

show_cluster() {
  title "Onward: six nodes, each a process of its own, that call each other over TCP"
  show_node front "takes the calls below, and calls the others"
  show_node worker-1 "adds numbers; asks worker-2"
  show_node worker-2 "adds numbers"
  local i share=''
  for i in 1 2 3; do
    [ "${parts[i - 1]}" -eq 1 ] || share="a third of "
    show_node "shard-$i" "searches $share${folders[i - 1]}"
  done
}

show_nested() {
  title "1. Nested: a function that calls a function that calls a function"
  say "1 + 2 + 3: front asks worker-1 for 1 + 2, and worker-1 asks worker-2 for 1. No thread waits anywhere:" \
    "each function returns a Future, which its callback completes when the inner answer is there."
  ask front '^6$' rfc.nested.my_add_3 1 2 3
  more "The nodes connected on the way. Once more, now that they are (the time still has the command's own connection):"
  ask front '^60$' rfc.nested.my_add_3 10 20 30
}

show_chained() {
  title "2. Chained: two calls, one after the other, in one function"
  say "front asks worker-1 for x = 1 + 2, and then for x + x."
  ask front '^6$' rfc.chained.my_add_3 1 2 3
}

show_fan_out() {
  title "3. Fan-out: two calls at the same time"
  say "front asks worker-2 for 1 + 2 and for 3 + 4 at once, and answers when it has both."
  ask front '^\[(3, 7|7, 3)\]$' rfc.fan_out.my_add_4 1 2 3 4
}

show_batch() {
  title "4. Batch: ten callers, one computation"
  say "batch_add adds two tensors, but for ten callers in one go. The first nine callers wait for the tenth;" \
    "meanwhile worker-1 keeps a Future for each of them, and serves other calls."
  local i tensors callers=()
  for i in {1..10}; do
    tensors=("{\"dtype\": \"float32\", \"shape\": [2], \"data\": [$i, $i]}" '{"dtype": "float32", "shape": [2], "data": [100, 200.5]}')
    if [ "$i" -eq 10 ]; then
      sleep 0.3
      [ -z "$(cat "$temporary"/batch.*.out)" ] || die "a caller was answered before the batch was full"
      more "Nine callers have asked, and wait. This is the tenth:"
      show_call worker-1 rfc.batch.batch_add "${tensors[@]}"
    fi
    "$onward" call --time "${urls[worker-1]}" rfc.batch.batch_add "${tensors[@]}" \
      >"$temporary/batch.$i.out" 2>"$temporary/batch.$i.time" &
    callers+=($!)
  done
  for i in {1..10}; do
    wait "${callers[i - 1]}" || {
      cat "$temporary/batch.$i.time" >&2
      die "caller $i of the batch was not answered"
    }
    grep -q "^{\"data\": \[$((100 + i)).0, $((200 + i)).5\]" "$temporary/batch.$i.out" || die "caller $i got a wrong sum"
  done
  printf '    %s%s%s\n' "$green" "$(cat "$temporary/batch.10.out")" "$plain"
  show_time "$temporary/batch.10.time"
  more "And with it the nine, each with its own row. The first of them had waited longest:"
  printf '\n'
  printf '    %s%s%s\n' "$green" "$(cat "$temporary/batch.1.out")" "$plain"
  show_time "$temporary/batch.1.time"
}

# Reads the answer of search, and prints its shape: all of it would be long.
digest='
import json, sys
answer, width = json.load(sys.stdin), 100
def show(line):
    line = "".join(c if c.isprintable() else "?" for c in line)
    print("  " + (line if len(line) <= width else line[:width - 1] + "…"))
shards = list(dict.fromkeys(hit["shard"] for hit in answer["hits"]))
print("%d lines%s; %d files were read" % (len(answer["hits"]), " (there may be more)" if answer["truncated"] else "",
                                          answer["files_searched"]))
for shard in shards:
    hits = [hit for hit in answer["hits"] if hit["shard"] == shard]
    for hit in hits[:2]:
        show("%s  %s:%d  %s" % (shard, hit["file"], hit["line"], hit["text"].strip()))
    if len(hits) > 2:
        show("%s  and %d more" % (shard, len(hits) - 2))
for file in answer["unread"][:2]:
    show("%s  could not read %s: %s" % (file["shard"], file["file"], file["error"]))
for failure in answer["failures"]:
    print("  %s  FAILED: %s" % (failure["shard"], failure["error"]))
'

# search_front: the command, and a digest of what came back.
search_front() {
  show_call front search "$pattern" 10000
  "$onward" call --json --time "${urls[front]}" search "$pattern" 10000 >"$temporary/answer" 2>"$temporary/time" || {
    cat "$temporary/time" >&2
    die "the search should have worked"
  }
  python3 -c "$digest" <"$temporary/answer" | indent
  show_time "$temporary/time"
}

show_search() {
  title "5. Search: one question to three nodes at once"
  say "front asks the three shards, which read their files on pool threads, and merges their hits in order." \
    "Here are the first two lines of each."
  search_front
  ! grep -q '"failures":\[{' "$temporary/answer" || die "no shard should have failed"
}

show_lost_shard() {
  title "6. A shard is down"
  say "shard-2 is told to stop (SIGTERM). A search still gives what the others have, and says what is missing."
  end shard-2 TERM
  search_front
  grep -q '"failures":\[{[^]]*"shard":"shard-2"' "$temporary/answer" || die "the answer should name shard-2"
}

show_killed_worker() {
  title "7. A worker dies in the middle of a call"
  say "worker-2 is frozen (SIGSTOP), so that the call of example 1 hangs there. Then it is killed (SIGKILL)." \
    "The caller hears of it at once, with every node that the call had passed."
  kill -STOP "${pids[worker-2]}"
  for _ in {1..200}; do
    [[ $(<"/proc/${pids[worker-2]}/stat") == *") T "* ]] && break
    sleep 0.01
  done
  show_call front rfc.nested.my_add_3 1 2 3
  local status=0 before caller
  "$onward" call "${urls[front]}" rfc.nested.my_add_3 1 2 3 >"$temporary/answer" 2>"$temporary/error" &
  caller=$!
  sleep 0.5
  before=${EPOCHREALTIME/./}
  end worker-2 KILL
  wait "$caller" || status=$?
  printf '%s' "$red"
  indent <"$temporary/error"
  printf '    %sexit code %d, %d ms after worker-2 was killed%s\n' "$plain$dim" "$status" \
    $(((${EPOCHREALTIME/./} - before) / 1000)) "$plain"
  [ "$status" -eq 1 ] || die "the call should have failed with exit code 1"
  grep -q '^onward call: UNAVAILABLE.*worker-2' "$temporary/error" || die "the error should have named worker-2"

  more "worker-2 is started again, on its old port. worker-1 finds it by itself:"
  start worker-2 "${urls[worker-2]}" <<CONFIG
[[modules]]
name = "rfc"
CONFIG
  ask front '^6$' rfc.nested.my_add_3 1 2 3
}

[ $# -le 2 ] || die "usage: ./dev demo [FOLDER [PATTERN]]"
[ -x "$onward" ] || die "there is no program $onward" "Build it first: ./dev build"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
temporary=$(mktemp -d)
choose_folders "$@"
start_all
show_cluster
show_nested
show_chained
show_fan_out
show_batch
show_search
show_lost_shard
show_killed_worker
title "That was all. The nodes are stopped now."
say "The code of these functions is in modules/rfc and modules/search; $onward --help says how to run nodes of your own."
