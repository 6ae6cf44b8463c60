// The ping-pong through shared memory. A socket is there for the start and the end only: the server hands over the
// memory and the doorbells when a client connects, and sees that it has gone. Neither side has a loop around its ring.
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <vector>

#include "measure.h"
#include "reference.h"
#include "reference_ring.h"
#include "reference_server.h"

namespace onward::bench {
namespace {

struct Rings {
  Ring requests;
  Ring answers;
};

// The memory and the two doorbells, in this order.
using Descriptors = std::array<int, 3>;

Socket checked(int fd, const char* what) {
  if (fd < 0) throw_errno(what);
  return Socket(fd);
}

// What one side holds; the other has the same descriptors.
class SharedMemory {
 public:
  // Made here.
  SharedMemory()
      : memory_(checked(::memfd_create("onward_reference", MFD_CLOEXEC), "create shared memory")),
        request_bell_(checked(::eventfd(0, EFD_CLOEXEC), "create a doorbell")),
        answer_bell_(checked(::eventfd(0, EFD_CLOEXEC), "create a doorbell")) {
    if (::ftruncate(memory_.fd(), sizeof(Rings)) != 0) throw_errno("size shared memory");
    map();
  }
  // Received.
  explicit SharedMemory(const Descriptors& received)
      : memory_(received[0]), request_bell_(received[1]), answer_bell_(received[2]) {
    map();
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory() { ::munmap(rings_, sizeof(Rings)); }

  [[nodiscard]] Rings& rings() const { return *rings_; }
  [[nodiscard]] int request_bell() const { return request_bell_.fd(); }
  [[nodiscard]] int answer_bell() const { return answer_bell_.fd(); }
  [[nodiscard]] Descriptors descriptors() const { return {memory_.fd(), request_bell(), answer_bell()}; }

 private:
  void map() {
    void* const at = ::mmap(nullptr, sizeof(Rings), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory_.fd(), 0);
    if (at == MAP_FAILED) throw_errno("map shared memory");
    rings_ = static_cast<Rings*>(at);
  }

  Socket memory_;
  Socket request_bell_;
  Socket answer_bell_;
  Rings* rings_ = nullptr;
};

// A message of one byte with room for descriptors beside it.
struct DescriptorMessage {
  char byte = 'x';
  iovec data{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(Descriptors))> control{};
  msghdr header{};

  DescriptorMessage() {
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
  }
  DescriptorMessage(const DescriptorMessage&) = delete;
  DescriptorMessage& operator=(const DescriptorMessage&) = delete;
};

void send_descriptors(const Socket& socket, const Descriptors& descriptors) {
  DescriptorMessage message;
  cmsghdr* const rights = CMSG_FIRSTHDR(&message.header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof descriptors);
  std::memcpy(CMSG_DATA(rights), descriptors.data(), sizeof descriptors);
  if (::sendmsg(socket.fd(), &message.header, MSG_NOSIGNAL) != 1) throw_errno("hand over shared memory");
}

Descriptors receive_descriptors(const Socket& socket) {
  pollfd readable{.fd = socket.fd(), .events = POLLIN, .revents = 0};
  ::poll(&readable, 1, -1);
  DescriptorMessage message;
  if (::recvmsg(socket.fd(), &message.header, MSG_CMSG_CLOEXEC) != 1) throw_errno("receive shared memory");
  const cmsghdr* const rights = CMSG_FIRSTHDR(&message.header);
  if (rights == nullptr || rights->cmsg_len != CMSG_LEN(sizeof(Descriptors))) {
    throw std::runtime_error("the server sent no shared memory");
  }
  Descriptors descriptors{};
  std::memcpy(descriptors.data(), CMSG_DATA(rights), sizeof descriptors);
  return descriptors;
}

// Answers on a thread of its own, which the loop's thread ends when the client's socket does.
class RingConnection {
 public:
  RingConnection(Server<RingConnection>& server, Socket socket)
      : server_(server),
        socket_(std::move(socket)),
        ended_by_peer_(server.loop().watch<&RingConnection::end>(socket_.fd(), EV_READ | EV_PERSIST, this)) {
    send_descriptors(socket_, memory_.descriptors());
    answering_ = std::thread([this] { answer(); });
  }
  RingConnection(const RingConnection&) = delete;
  RingConnection& operator=(const RingConnection&) = delete;
  ~RingConnection() {
    ended_.store(true);
    ring_doorbell(memory_.request_bell());
    answering_.join();
    server_.count(messages_);
  }

 private:
  void end() { server_.close(*this); }

  void answer() {
    RingReader requests(memory_.rings().requests, memory_.request_bell(), server_.options().waiting);
    RingWriter answers(memory_.rings().answers, memory_.answer_bell());
    while (true) {
      const std::span<const char> bytes = requests.wait(ended_);
      if (bytes.empty()) return;
      answers.put(bytes);
      requests.consume(bytes.size());
      answers.publish();
      messages_ += bytes.size() / kMessageBytes;
    }
  }

  Server<RingConnection>& server_;
  Socket socket_;
  SharedMemory memory_;
  std::atomic<bool> ended_{false};
  std::uint64_t messages_ = 0;
  std::thread answering_;
  Event ended_by_peer_;
};

}  // namespace

// The loop sleeps also when the rings are polled: it has nothing to do meanwhile.
void run_shm_pingpong_server(const ServerOptions& options) { Server<RingConnection>(options, Waiting::kSleep).run(); }

void run_shm_pingpong_client(const ClientOptions& options) {
  const Socket socket = connect_to(options.url);
  const SharedMemory memory(receive_descriptors(socket));
  RingWriter requests(memory.rings().requests, memory.request_bell());
  RingReader answers(memory.rings().answers, memory.answer_bell(), options.waiting);
  const std::vector<char> outgoing(options.in_flight * kMessageBytes, 'x');
  std::vector<char> incoming(outgoing.size());
  const std::atomic<bool> never{false};
  Pings pings(options);
  const auto send_new = [&](std::size_t messages, Clock::time_point now) {
    pings.sent(messages, now);
    requests.put(std::span(outgoing).first(messages * kMessageBytes));
    requests.publish();
  };

  pings.start();
  send_new(options.in_flight, Clock::now());
  while (true) {
    const std::span<const char> bytes = answers.wait(never);
    const auto now = Clock::now();
    std::memcpy(incoming.data(), bytes.data(), bytes.size());
    answers.consume(bytes.size());
    const std::size_t messages = bytes.size() / kMessageBytes;
    const auto send_at = pings.came_back(messages, now);
    if (!send_at) break;
    send_new(messages, *send_at);
  }
  pings.report();
}

}  // namespace onward::bench
