#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "polymoe/serve/api.h"

namespace polymoe {

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 5000;                ///< 0: any that is free
  std::size_t connections = 128;  ///< answered at a time
  std::size_t max_body_bytes = std::size_t{16} << 20;
  std::chrono::seconds network_timeout{10};  ///< for a client to send or take some bytes
};

/// The HTTP server: cpp-httplib's, with the endpoints of an Api and the page of page.h.
class ApiServer {
 public:
  /// Binds the port. Throws Error where it is taken or the address is none.
  ApiServer(const ServerOptions& options, Api& api, ServerMetrics& metrics);
  /// Ends as stop() does.
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  int port() const;
  /// Answers requests in threads of its own until stop().
  void start();
  /// Takes no more connections, answers the requests that are under way, then returns.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace polymoe
