#!/usr/bin/env bash
# A small cluster on this machine: runs the RFC's examples and a search on it, and shows what came back.
# Called by `./dev demo` in the root of the repository; usage() says how. ONWARD_BUILD names another build
# folder than build/release.
set -euo pipefail

onward=${ONWARD_BUILD:-build/release}/node/onward

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
  bold='' dim='' red='' green='' plain=''
fi

# shellcheck source=node/demo_cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/demo_cluster.sh"
# shellcheck source=node/demo_python.sh
. "$(dirname "${BASH_SOURCE[0]}")/demo_python.sh"

usage() {
  cat <<'USAGE'
Usage: ./dev demo [--transport NAME] [FOLDER [PATTERN]]

Starts six nodes on this machine, runs the examples and a search on them, and shows what happened: also that
the same nodes give the same answers over another transport, and how long these take.

  --transport NAME    what the nodes talk over: tcp (as if nothing is said), tls, unix, shm (shared memory),
                      or auto: shm where a peer can be reached so, else tcp
  FOLDER              search this folder; else some under /usr/share
  PATTERN             search for this; else "warranty", or "the" in a FOLDER
USAGE
}

parse_arguments() {
  transport=tcp where=()
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help)
        usage
        exit 0
        ;;
      --transport)
        [ $# -gt 1 ] || die "--transport needs a name" "One of: ${transports[*]}"
        transport=$2
        shift
        ;;
      --transport=*) transport=${1#*=} ;;
      -*) die "there is no option $1" "See ./dev demo --help." ;;
      *) where+=("$1") ;;
    esac
    shift
  done
  [[ -n $transport && " ${transports[*]} " == *" $transport "* ]] ||
    die "there is no transport '$transport'" "There are: ${transports[*]}"
  [ ${#where[@]} -le 2 ] || die "these are more words than a folder and a pattern: ${where[*]}" "See ./dev demo --help."
}

# ---- Words ----

title() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
say() { printf '  %s\n' "$@"; }
more() { printf '\n'; say "$@"; }
indent() { sed 's/^/    /'; }

# show_call NODE ARGUMENT…: the command, as it would be typed.
show_call() {
  local word text
  text="onward call $(url_of "$1")"
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
  answer=$("$onward" call --time "$(url_of "$node")" "$@" 2>"$temporary/time") || {
    cat "$temporary/time" >&2
    die "this call should have worked"
  }
  printf '    %s%s%s\n' "$green" "$answer" "$plain"
  show_time "$temporary/time"
  [[ $answer =~ $wanted ]] || die "the answer should have been $wanted"
}

# ---- What is shown ----

show_node() {
  printf '  %s%-9s%s process %-8s %-*s %s\n' "$bold" "$1" "$plain" "${pids[$1]}" $((width + 1)) "$(url_of "$1")" "$2"
}

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

declare -A words=([tcp]="TCP" [tls]="TLS" [unix]="Unix sockets" [shm]="shared memory"
  [auto]="what suits best: shared memory, else TCP")

show_cluster() {
  local width=0 name url
  for name in "${nodes[@]}"; do
    url=$(url_of "$name")
    [ ${#url} -lt "$width" ] || width=${#url}
  done
  title "Onward: six nodes, each a process of its own, that call each other over ${words[$transport]}"
  show_node front "takes the calls below, and calls the others"
  show_node worker-1 "adds numbers; asks worker-2"
  show_node worker-2 "adds numbers"
  local i share=''
  for i in 1 2 3; do
    [ "${parts[i - 1]}" -eq 1 ] || share="a third of "
    show_node "shard-$i" "searches $share${folders[i - 1]}"
  done
  case $transport in
    tls) more "Each has a certificate. That of the commands below is in ONWARD_TLS_CERT and ONWARD_TLS_KEY, their CA" \
      "in ONWARD_TLS_CA." ;;
    auto) more "Each listens on TCP too. Peers have both URLs, best first, as front's configuration says of worker-1:" \
      "  $(grep '^worker-1 = ' "$temporary/front.toml")" ;;
  esac
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
    "$onward" call --time "$(url_of worker-1)" rfc.batch.batch_add "${tensors[@]}" \
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
  "$onward" call --json --time "$(url_of front)" search "$pattern" 10000 >"$temporary/answer" 2>"$temporary/time" || {
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

# ---- The same nodes over another transport ----

# measure NAME COUNT FUNCTION ARGUMENT…: the answer in NAME.answer, the median of COUNT calls in NAME.time.
measure() {
  local file=$temporary/$1 count=$2
  shift 2
  "$onward" call --json --time --repeat "$count" "$(url_of front)" "$@" >"$file.answer" 2>"$file.time" || {
    cat "$file.time" >&2
    die "over $transport, this call should have worked: $*"
  }
  sed -i 's/,.*//' "$file.time"
}

# same ONE OTHER: insists that these files with answers are equal.
same() { cmp -s "$temporary/$1" "$temporary/$2" || die "over $transport, the answer differs: $(cat "$temporary/$2")"; }

# show_diff NODE: how its configuration differs from before. That is in URLs only, and so for every node.
show_diff() {
  local name
  for name in "${nodes[@]}"; do
    ! diff "$temporary/before/$name.toml" "$temporary/$name.toml" | grep '^[<>]' | grep -v '://' ||
      die "the configuration of $name differs in more than URLs"
  done
  printf '\n'
  diff -U 1 --label "$1.toml, $transport_before" --label "$1.toml, $transport" \
    "$temporary/before/$1.toml" "$temporary/$1.toml" | indent || true
}

# move_to TRANSPORT: all nodes stop, start again over it, and connect for a first call.
move_to() {
  end_all
  transport=$1
  start_all
  measure "sum.$1" 1 rfc.nested.my_add_3 1 2 3
}

# measure_over TRANSPORT: the row of the table.
measure_over() {
  move_to "$1"
  [ "$1" != "$shown" ] || show_diff worker-2
  measure "sum.$1" 201 rfc.nested.my_add_3 1 2 3
  measure "search.$1" "$searches" search "$pattern" 10000
  [ "$(cat "$temporary/sum.$1.answer")" = 6 ] || die "over $1, the answer should have been 6"
  [ "$comparable" = no ] || same answer "search.$1.answer"
}

# The table, when all of it is measured.
show_table() {
  local each lines
  printf '\n    %s%-10s %-28s %-14s %-26s %s%s\n' "$bold" transport "rfc.nested.my_add_3 1 2 3" "call took" \
    "search $(cut -c 1-18 <<<"$pattern")" "call took" "$plain"
  for each in tcp tls unix shm; do
    lines=$(python3 -c 'import json, sys; print(len(json.load(sys.stdin)["hits"]))' <"$temporary/search.$each.answer")
    printf '    %-10s %s%-28s%s %-14s %s%-26s%s %s\n' "$each" "$green" "$(cat "$temporary/sum.$each.answer")" "$plain" \
      "$(cat "$temporary/sum.$each.time")" "$green" "$lines lines" "$plain" "$(cat "$temporary/search.$each.time")"
  done
}

show_transports() {
  title "6. The same nodes over another transport"
  say "All six are stopped, and started again over each transport in turn, with the same modules. Only URLs change in" \
    "their configurations: where a node listens, and where its peers are. That of worker-2, which calls nobody:"
  local each chosen=$transport transport_before=$transport shown=unix searches=3 comparable=yes
  # A search that takes a second is long enough to be asked once, and one that was cut short may end elsewhere.
  [ "$(sed 's/[. ].*//' "$temporary/time")" -lt 1000 ] || searches=1
  ! grep -q '"truncated":true' "$temporary/answer" || comparable=no
  [ "$chosen" != unix ] || shown=shm
  mkdir "$temporary/before"
  cp "$temporary"/*.toml "$temporary/before"
  for each in tcp tls unix shm; do measure_over "$each"; done
  more "Then the same two questions as above, to front:"
  show_table
  if [ $comparable = yes ]; then
    more "The answers are the same, byte for byte."
  else
    more "The sums are the same. The searches end at a limit, each where it was then, and are not compared."
  fi
  say "Times are medians of 201 sums and of $searches searches on a connection that stands; a sum passes three nodes," \
    "a search is reading files for the most part. From here on, it is $chosen again."
  [ "$transport" = "$chosen" ] || move_to "$chosen"
}

show_lost_shard() {
  title "7. A shard is down"
  say "shard-2 is told to stop (SIGTERM). A search still gives what the others have, and says what is missing."
  end shard-2 TERM
  search_front
  grep -q '"failures":\[{[^]]*"shard":"shard-2"' "$temporary/answer" || die "the answer should name shard-2"
}

show_killed_worker() {
  title "8. A worker dies in the middle of a call"
  say "worker-2 is frozen (SIGSTOP), so that the call of example 1 hangs there. Then it is killed (SIGKILL)." \
    "The caller hears of it at once, with every node that the call had passed."
  kill -STOP "${pids[worker-2]}"
  for _ in {1..200}; do
    [[ $(<"/proc/${pids[worker-2]}/stat") == *") T "* ]] && break
    sleep 0.01
  done
  show_call front rfc.nested.my_add_3 1 2 3
  local status=0 before caller
  "$onward" call "$(url_of front)" rfc.nested.my_add_3 1 2 3 >"$temporary/answer" 2>"$temporary/error" &
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

  more "worker-2 is started again, where it was. worker-1 finds it by itself:"
  # shellcheck disable=SC2086 # several URLs, several words
  start worker-2 ${urls[worker-2]}
  ask front '^6$' rfc.nested.my_add_3 1 2 3
}

parse_arguments "$@"
[ -x "$onward" ] || die "there is no program $onward" "Build it first: ./dev build"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
make_temporary
choose_folders "${where[@]}"
make_certificates
start_all
show_cluster
show_nested
show_chained
show_fan_out
show_batch
show_search
show_transports
show_lost_shard
show_killed_worker
show_python
title "That was all. The nodes are stopped now."
say "The code of these functions is in modules/rfc and modules/search; $onward --help says how to run nodes of your own," \
  "and docs/PYTHON.md how to in Python."
