# The part of `./dev demo` that is in Python, sourced by demo.sh.
# shellcheck shell=bash

python_package=${ONWARD_BUILD:-build/release}/python
python_program='import sys
import onward.rpc as rpc

@rpc.async_function
def my_add_3(a, b, c):                        # as the RFC prints it
    future_ret = rpc.Future()
    rpc.rpc_async("worker-2", "rfc.my_add_2", args=(a, b)).add_callback(
        lambda ret: future_ret.mark_complete(ret + c)
    )
    return future_ret

async def count(pattern):                     # on the asyncio loop of the node
    answer = await rpc.rpc_async("front", "search", args=(pattern, 10_000))
    return len(answer["hits"])

rpc.init_rpc(config="notebook.toml")          # a node, as the others are
print(rpc.rpc_sync("notebook", my_add_3, args=(1, 2, 3)))
print(rpc.rpc_sync("notebook", count, args=(sys.argv[1],)), "lines")
try:
    rpc.rpc_sync("front", "rfc.nested.my_add_3", args=(2147483647, 1, 0))
except rpc.RpcError as error:
    print(error)
rpc.shutdown()'

show_python() {
  title "9. The same from Python"
  # Debian's, which it was built for.
  PYTHONPATH=$python_package /usr/bin/python3 -c 'import onward.rpc' 2>/dev/null || {
    say "There is no package onward for Python in $python_package: docs/PYTHON.md says what it needs."
    return
  }
  say "A node in Python calls these in C++, is called itself, and gets the error of a function two nodes away." \
    "Its configuration has the same keys:"
  # shellcheck disable=SC2046 # several URLs, several words
  configure notebook $(addresses notebook) >"$temporary/notebook.toml"
  printf '%s\n' "$python_program" >"$temporary/notebook.py"
  printf '\n'
  sed -n '/^name/p; /^listen/p; /^\[peers\]/,/^$/p' "$temporary/notebook.toml" | indent
  printf '\n%s' "$dim"
  indent <<<"$python_program"
  printf '\n    $ python3 notebook.py %q%s\n' "$pattern" "$plain"
  local package answers status=0
  package=$(realpath "$python_package")
  answers=$(cd "$temporary" && PYTHONPATH=$package /usr/bin/python3 notebook.py "$pattern" 2>notebook.log) || status=$?
  printf '%s' "$green"
  indent <<<"$answers"
  printf '%s' "$plain"
  [ $status -eq 0 ] || {
    cat "$temporary/notebook.log" >&2
    die "the Python program should have ended with 0, and ended with $status"
  }
  [[ $answers =~ ^6$'\n'[0-9]+' lines'$'\n'.*'worker-1, function rfc.nested.my_add_2' ]] ||
    die "the Python program should have printed something else"
}
