// SPDX-License-Identifier: Apache-2.0
//
// The command line of `onward`. Its help is written by hand: CLI11 only takes the arguments apart.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>

#include "call_command.h"
#include "certs_command.h"
#include "config_reference.h"
#include "list_command.h"
#include "module_list.h"
#include "node_command.h"

namespace {

constexpr const char* kHelp = R"(Usage: onward COMMAND …

  onward node --config FILE [--check]                      run a node
  onward call [OPTIONS] PEER_URL FUNCTION [ARGUMENT…]      call a function of a node that runs
  onward list [OPTIONS] PEER_URL [FUNCTION]                the functions of a node that runs, and what it is
  onward certs init|issue|revoke DIR [NAME…]               certificates for nodes that speak TLS

  --version    print the version
  --help       print this; `onward COMMAND --help` says more
)";

constexpr const char* kNodeHelp = R"(Usage: onward node --config FILE [--check]

Runs a node. When it answers, it prints one line to standard output, "ready NAME URL…"; its log goes to
standard error. SIGTERM or SIGINT let it finish the calls in flight; a second one ends it at once. SIGHUP
has it read its certificates again.

  --config FILE    what the node is, in TOML
  --check          start its modules, but do not listen; then say whether all of this worked
  --reference      print every key that a configuration may have, as Markdown

A configuration:

  name = "front"
  listen = ["tcp://127.0.0.1:7000"]      # also tls://HOST:PORT, shm://@name, unix:///path; port 0: any

  [peers]
  worker-1 = "tcp://127.0.0.1:7001"      # or an array of URLs, best first

  [[modules]]
  name = "rfc"
  dst = "worker-1"                       # the module's own arguments

  [calls]
  timeout_ms = 30000                     # or "none"

Other tables: [pool] threads, queue_limit; [limits] max_body_bytes, max_message_bytes, output_high_bytes,
output_low_bytes, max_in_flight, max_waiting_calls; [loop] busy_poll_us, slow_callback_ms;
[connect] backoff_ms, backoff_max_ms; [access] who may call what; [shm] ring_bytes, payload_bytes, users; [tls] certificate, key, ca, crl, min_version, peer_certificates;
[log] level; [shutdown] drain_ms. At the top: codec.

Modules in this program:
)";

constexpr const char* kCallHelp = R"(Usage: onward call [OPTIONS] PEER_URL FUNCTION [ARGUMENT…]

Calls a function and prints what it returns.

  --json               print the result as JSON on one line
  --timeout SECONDS    give up after so long (default 30); "none" waits for ever
  --time               say on standard error how long the call took
  --repeat N           call N times, one after the other, and print the last result; the time is then the
                       median of the calls
  --unchecked          call at once: do not ask the node first what the function takes
  --verbose            log what happens on the connection
  --tls-ca FILE        for tls:// URLs: the CA that the node's certificate is from
  --tls-cert FILE      the certificate to show, and
  --tls-key FILE       its key; or the variables ONWARD_TLS_CA, ONWARD_TLS_CERT, ONWARD_TLS_KEY

Arguments are JSON values. A word that is not JSON is sent as a string, so that search needs no
quotes; to send the string "1", write '"1"'. Beyond JSON:

  {"dtype": "float32", "shape": [2, 2], "data": [1, 2, 3, 4]}    a tensor, row by row
  {"bytes": "aGVsbG8="}                                          bytes, in base64
  {"float": "NaN"}                                               also "Infinity" and "-Infinity"

Examples:

  onward call tcp://127.0.0.1:7000 rfc.my_add_3 1 2 3
  onward call tcp://127.0.0.1:7000 search warranty 10
  onward call --json --timeout 2 unix:///run/front.sock search '"two words"' 10

The node is asked first what the function takes, and arguments that it would refuse are not sent.

Exit code: 0; 1 if the call failed, its error is then on standard error; 2 for wrong usage: also a function that
is not there, and arguments that it does not take.
)";

constexpr const char* kListHelp = R"(Usage: onward list [OPTIONS] PEER_URL [FUNCTION]

Asks a node what it is: its functions that the caller may call, their signatures and documentation, its modules,
where it listens, codecs and limits. With FUNCTION, that one alone.

  --names              print the functions' names alone, one a line
  --json               print all that the node says as JSON on one line
  --timeout SECONDS    give up after so long (default 30); "none" waits for ever
  --tls-ca, --tls-cert, --tls-key FILE    as for onward call

Exit code: 0; 1 if the node could not be asked, or has no such function; 2 for wrong usage.
)";

constexpr const char* kCertsHelp = R"(Usage: onward certs init DIR [--days N]
       onward certs issue DIR NAME… [--host HOST]… [--days N] [--renew]
       onward certs revoke DIR NAME…

A CA of your own, for development: certificates by which nodes prove to each other who they are.

  init      makes the folder DIR, and in it a CA: ca.pem, and ca.key, which is to be kept secret
  issue     makes NAME.pem and NAME.key for each node, and prints the lines for its configuration
  revoke    adds NAME.pem to crl.pem, the list of certificates that are good no more

  --host HOST    a host's name or address that nodes are called by, besides localhost and their names
  --days N       how long certificates hold; else 825 days, and the CA 3650
  --renew        replace a node's certificate and key

Files that exist are left alone unless --renew is said. Nodes read theirs again on SIGHUP.

Exit code: 0; 1 if that could not be done; 2 for wrong usage.
)";

constexpr int kWrongUsage = 2;
constexpr int kMaxRepeat = 1'000'000;

std::string node_help() {
  std::string text = kNodeHelp;
  for (const onward::ModuleDescriptor* module : onward::standard_modules()) {
    text += "  " + std::string(module->name()) +
            std::string(12 - std::min<std::size_t>(11, module->name().size()), ' ') + module->summary + "\n";
  }
  return text;
}

void set_help(CLI::App& app, std::string text) {
  app.formatter_fn([text = std::move(text)](const CLI::App*, const std::string&, CLI::AppFormatMode) { return text; });
}

onward::Duration parse_timeout(const std::string& text) {
  if (text == "none") return onward::kNoTimeout;
  double seconds = 0;
  constexpr double kLongest = 1e9;
  if (!CLI::detail::lexical_cast(text, seconds) || !std::isfinite(seconds) || seconds < 0 || seconds > kLongest) {
    throw CLI::ValidationError("--timeout", "must be a number of seconds, or \"none\", not \"" + text + "\"");
  }
  return std::chrono::duration_cast<onward::Duration>(std::chrono::duration<double>(seconds));
}

struct CommandLine {
  CLI::App app;
  CLI::App* node = app.add_subcommand("node");
  CLI::App* call = app.add_subcommand("call");
  CLI::App* list = app.add_subcommand("list");
  CLI::App* certs = app.add_subcommand("certs");
  std::string config;
  bool check = false;
  bool reference = false;
  std::string timeout = "30";
  onward::CallCommand command;
  onward::ListCommand listing;
  onward::CertsCommand certificates;

  CommandLine() {
    app.require_subcommand(1);
    app.set_version_flag("--version", "onward " ONWARD_VERSION);
    set_help(app, kHelp);
    node->add_option("--config", config);
    node->add_flag("--reference", reference);
    node->add_flag("--check", check);
    set_help(*node, node_help());
    call->add_flag("--json", command.json);
    call->add_option("--timeout", timeout);
    call->add_flag("--time", command.show_time);
    call->add_option("--repeat", command.repeat)->check(CLI::Range(1, kMaxRepeat));
    call->add_flag("--verbose", command.verbose);
    call->add_flag("--unchecked", command.unchecked);
    add_tls(*call, command.tls);
    // From the URL on, nothing is an option: arguments may be negative numbers.
    call->prefix_command();
    set_help(*call, kCallHelp);
    add_list();
    add_certs();
  }

  static void add_tls(CLI::App& sub, onward::TlsOptions& tls) {
    sub.add_option("--tls-ca", tls.ca)->envname("ONWARD_TLS_CA");
    sub.add_option("--tls-cert", tls.certificate)->envname("ONWARD_TLS_CERT");
    sub.add_option("--tls-key", tls.key)->envname("ONWARD_TLS_KEY");
  }

  void add_list() {
    list->add_flag("--json", listing.json);
    list->add_flag("--names", listing.names)->excludes("--json");
    list->add_option("--timeout", timeout);
    add_tls(*list, listing.tls);
    list->add_option("PEER_URL", listing.url)->required();
    list->add_option("FUNCTION", listing.function);
    set_help(*list, kListHelp);
  }

  void add_certs() {
    using Verb = onward::CertsCommand::Verb;
    constexpr int kMaxDays = 36'500;
    certs->require_subcommand(1);
    set_help(*certs, kCertsHelp);
    for (const auto& [name, verb] :
         {std::pair("init", Verb::kInit), {"issue", Verb::kIssue}, {"revoke", Verb::kRevoke}}) {
      CLI::App* sub = certs->add_subcommand(name);
      sub->parse_complete_callback([this, chosen = verb] { certificates.verb = chosen; });
      sub->add_option("DIR", certificates.folder)->required();
      if (verb != Verb::kInit) sub->add_option("NAME", certificates.nodes)->required();
      if (verb != Verb::kRevoke) sub->add_option("--days", certificates.days)->check(CLI::Range(1, kMaxDays));
      if (verb == Verb::kIssue) sub->add_option("--host", certificates.hosts)->allow_extra_args(false);
      if (verb == Verb::kIssue) sub->add_flag("--renew", certificates.renew);
      set_help(*sub, kCertsHelp);
    }
  }

  // Throws CLI::Error.
  void parse(int argc, char** argv) {
    if (argc < 2) throw CLI::ParseError("it needs a command: node, call, list or certs", CLI::ExitCodes::RequiredError);
    const std::string first = argv[1];
    if (!first.starts_with('-') && first != "node" && first != "call" && first != "list" && first != "certs") {
      throw CLI::ParseError("there is no command \"" + first + "\", only node, call, list and certs",
                            CLI::ExitCodes::ExtrasError);
    }
    app.parse(argc, argv);
    if (node->parsed() && config.empty() && !reference) {
      throw CLI::ParseError("it needs --config FILE", CLI::ExitCodes::RequiredError);
    }
    listing.timeout = parse_timeout(timeout);
    if (!call->parsed()) return;
    command.timeout = parse_timeout(timeout);
    std::vector<std::string> rest = call->remaining();
    if (rest.size() < 2) throw CLI::ParseError("it needs PEER_URL and FUNCTION", CLI::ExitCodes::RequiredError);
    command.url = rest[0];
    command.function = rest[1];
    command.arguments.assign(rest.begin() + 2, rest.end());
  }
};

// A connection must not get the number of a standard stream that the process began without.
void open_standard_streams() {
  int descriptor = STDIN_FILENO;
  while (descriptor >= 0 && descriptor <= STDERR_FILENO) descriptor = ::open("/dev/null", O_RDWR);
  if (descriptor > STDERR_FILENO) ::close(descriptor);
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  try {
    CommandLine line;
    try {
      line.parse(argc, argv);
    } catch (const CLI::Success& done) {
      return line.app.exit(done);
    } catch (const CLI::Error& error) {
      std::fprintf(stderr, "onward: %s\nSee `onward%s --help`.\n", error.what(),
                   line.node->parsed()    ? " node"
                   : line.call->parsed()  ? " call"
                   : line.list->parsed()  ? " list"
                   : line.certs->parsed() ? " certs"
                                          : "");
      return kWrongUsage;
    }
    if (line.call->parsed()) return onward::run_call(line.command);
    if (line.list->parsed()) return onward::run_list(line.listing);
    if (line.certs->parsed()) return onward::run_certs(line.certificates);
    if (line.reference) {
      std::printf("%s", onward::config_reference(onward::standard_modules()).c_str());
      return 0;
    }
    return line.check ? onward::check_node(line.config) : onward::run_node(line.config);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "onward: %s\n", error.what());
    return 1;
  }
}
