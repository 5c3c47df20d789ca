#include "polymoe/serve/server.h"

#include <functional>
#include <thread>
#include <utility>

#include <fmt/core.h>
#include <httplib.h>
#include <sys/socket.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/log.h"
#include "polymoe/serve/api_error.h"
#include "polymoe/serve/page.h"

namespace polymoe {
namespace {

/// httplib lets five connections wait to be accepted, too few for a burst.
class HttpServer : public httplib::Server {
 public:
  void let_many_wait() {
    constexpr int kBacklog = 1024;
    listen(svr_sock_, kBacklog);
  }

 private:
  static void listen(int socket, int backlog) { static_cast<void>(::listen(socket, backlog)); }
};

std::string bearer_key(const httplib::Request& request) {
  const std::string header = request.get_header_value("Authorization");
  constexpr std::string_view kScheme = "Bearer ";
  return header.starts_with(kScheme) ? header.substr(kScheme.size()) : "";
}

/// The server's address as the client wrote it. It goes back to that client only.
std::string base_of(const httplib::Request& request) {
  const std::string scheme = request.get_header_value("X-Forwarded-Proto") == "https" ? "https" : "http";
  return scheme + "://" + request.get_header_value("Host");
}

void write(httplib::Response& response, const ApiResponse& answer) {
  response.status = answer.status;
  for (const auto& [name, value] : answer.headers) response.set_header(name, value);
  response.set_content(answer.body, answer.content_type);
}

ApiResponse refusal(const ApiError& error) {
  ApiResponse answer{.status = error.status(), .body = dump_any_json(nlohmann::json({{"error", error.what()}})) + "\n"};
  if (error.retry_after() > 0) answer.headers.emplace_back("Retry-After", std::to_string(error.retry_after()));
  return answer;
}

/// Reads a body, which the client may send in pieces and packed, up to a limit.
void read_body(const httplib::ContentReader& reader, std::size_t limit, const httplib::Response& response,
               ApiRequest& request) {
  bool too_large = false;
  std::size_t total = 0;  // of all parts
  const auto append = [&](std::string& to, const char* data, std::size_t size) {
    total += size;
    too_large = total > limit;
    if (!too_large) to.append(data, size);
    return !too_large;
  };
  bool whole = false;
  if (request.content_type.starts_with("multipart/form-data")) {
    std::string* part = nullptr;
    std::string unused;
    whole = reader(
        [&](const httplib::MultipartFormData& header) {
          constexpr std::size_t kMostFields = 20;
          if (header.name == "file") {
            request.file_name = header.filename;
            part = &request.file;
          } else {
            part = request.fields.size() < kMostFields ? &request.fields[header.name] : &unused;
          }
          return true;
        },
        [&](const char* data, std::size_t size) { return append(*part, data, size); });
  } else {
    whole = reader([&](const char* data, std::size_t size) { return append(request.body, data, size); });
  }
  if (too_large || response.status == kTooLarge)
    throw ApiError(kTooLarge, fmt::format("the request is larger than {} bytes", limit));
  if (!whole) throw ApiError(kBadRequest, "the request's body is not what its headers say, or came too slowly");
}

}  // namespace

struct ApiServer::State {
  ServerOptions options;
  Api& api;
  ServerMetrics& metrics;
  HttpServer http;
  int port = 0;
  std::thread thread;

  State(ServerOptions given, Api& endpoints, ServerMetrics& counts)
      : options(std::move(given)), api(endpoints), metrics(counts) {}

  /// Runs an endpoint, counts it, and makes answers of errors.
  void answer(const std::string& endpoint, httplib::Response& response, const std::function<ApiResponse()>& run) {
    const auto start = std::chrono::steady_clock::now();
    ApiResponse answer;
    try {
      answer = run();
    } catch (const ApiError& error) {
      answer = refusal(error);
    } catch (const Error& error) {
      answer = refusal(ApiError(kBadRequest, error.what()));
    } catch (const std::exception& error) {
      log_warning("{}: {}", endpoint, error.what());
      answer = refusal(ApiError(kServerError, "the server failed; its log says more"));
    }
    write(response, answer);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    metrics.add_request(endpoint, answer.status, seconds);
  }

  void add_get(const std::string& path, const std::function<ApiResponse()>& run) {
    http.Get(path,
             [this, path, run](const httplib::Request&, httplib::Response& response) { answer(path, response, run); });
  }

  void add_post(const std::string& path, ApiResponse (Api::*run)(const ApiRequest&)) {
    http.Post(path, [this, path, run](const httplib::Request& asked, httplib::Response& response,
                                      const httplib::ContentReader& reader) {
      answer(path, response, [&] {
        ApiRequest request{.content_type = asked.get_header_value("Content-Type"),
                           .body = {},
                           .key = bearer_key(asked),
                           .base = base_of(asked)};
        read_body(reader, options.max_body_bytes, response, request);
        return (api.*run)(request);
      });
    });
  }

  void add_endpoints() {
    add_get("/", [] { return page(); });
    add_get("/health", [] { return ApiResponse{.body = "{\"status\":\"ok\"}\n"}; });
    add_get("/metrics", [this] { return api.metrics(); });
    add_get("/languages", [this] { return api.languages(); });
    add_get("/frontend/settings", [this] { return api.settings(); });
    add_post("/translate", &Api::translate);
    add_post("/detect", &Api::detect);
    add_post("/translate_file", &Api::translate_file);
    http.Get("/download_file/([0-9a-f]{32})", [this](const httplib::Request& asked, httplib::Response& response) {
      answer("/download_file", response, [&] { return api.download(asked.matches[1]); });
    });
    http.Options(".*", [](const httplib::Request&, httplib::Response& response) {
      response.set_header("Access-Control-Allow-Methods", "GET, POST");
      response.set_header("Access-Control-Allow-Headers", "Content-Type, Authorization");
      response.status = 204;
    });
    http.set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (!response.body.empty()) return;
      const char* const message = response.status == kNotFound ? "there is nothing here" : "the request is malformed";
      write(response, refusal(ApiError(response.status, message)));
    });
  }

  void configure() {
    http.new_task_queue = [this] { return new httplib::ThreadPool(options.connections); };
    http.set_read_timeout(options.network_timeout);
    http.set_write_timeout(options.network_timeout);
    http.set_payload_max_length(options.max_body_bytes);
    http.set_tcp_nodelay(true);
    // A connection holds one of the threads, also while it is idle; and httplib would take what a handler left unread
    // of a body for the next request. So each serves one request.
    http.set_keep_alive_max_count(1);
    // httplib would share the port with another server that is started by mistake.
    http.set_socket_options([](int socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    // Browsers may ask from pages of any origin, as of LibreTranslate: there are no cookies to abuse.
    http.set_default_headers({{"Access-Control-Allow-Origin", "*"}, {"X-Content-Type-Options", "nosniff"}});
  }
};

ApiServer::ApiServer(const ServerOptions& options, Api& api, ServerMetrics& metrics)
    : state_(std::make_unique<State>(options, api, metrics)) {
  state_->configure();
  state_->add_endpoints();
  state_->port = options.port;
  const bool bound = options.port == 0 ? (state_->port = state_->http.bind_to_any_port(options.host)) > 0
                                       : state_->http.bind_to_port(options.host, options.port);
  if (!bound) {
    throw Error(fmt::format("cannot listen on {} port {}", options.host, options.port), {},
                "is the port taken, the address another machine's, or the port below 1024?");
  }
  state_->http.let_many_wait();
}

ApiServer::~ApiServer() { stop(); }

int ApiServer::port() const { return state_->port; }

void ApiServer::start() {
  state_->thread = std::thread([this] { state_->http.listen_after_bind(); });
  while (!state_->http.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void ApiServer::stop() {
  if (!state_->thread.joinable()) return;
  state_->http.stop();
  state_->thread.join();
}

}  // namespace polymoe
