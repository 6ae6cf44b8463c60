#!/bin/sh
# A user's commands; the documentation quotes them.
set -eu

# A program with libonward.so.
g++ -std=c++23 rpc_over_tcp.cpp -o rpc_over_tcp $(pkg-config --cflags --libs onward)

# A program with libonward.a in it, which needs of other libraries what it uses: this one no OpenSSL.
g++ -std=c++23 tcp_alone.cpp -o tcp_alone $(pkg-config --cflags --libs onward-static)

# A node binary with all commands of onward, one transport, one codec and a module of its own.
g++ -std=c++23 smallest_node.cpp greeter.cpp -o smallest_node $(pkg-config --cflags --libs onward-static)

# A module for nodes to load.
g++ -std=c++23 -shared -fPIC greeter.cpp -o greeter.so $(pkg-config --cflags onward-module)
