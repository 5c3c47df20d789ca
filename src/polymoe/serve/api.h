#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "polymoe/formats/text_layout.h"
#include "polymoe/serve/file_store.h"
#include "polymoe/serve/metrics.h"
#include "polymoe/serve/models.h"
#include "polymoe/serve/requests.h"

namespace polymoe {

/// What an endpoint gets of a request.
struct ApiRequest {
  std::string content_type;
  std::string body;
  std::string key;   ///< of the header "Authorization: Bearer KEY"; "": none
  std::string base;  ///< "http://host:port", as the client knows the server
  // Of a form with a file:
  std::map<std::string, std::string> fields = {};
  std::string file_name = {};
  std::string file = {};
};

struct ApiResponse {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
};

struct ApiOptions {
  RequestLimits limits;
  std::chrono::milliseconds timeout{60'000};  ///< for one request
};

/// The endpoints, in LibreTranslate's shapes; knows nothing of HTTP's own matters. Thread-safe.
class Api {
 public:
  Api(const ApiOptions& options, ServerMetrics& metrics) : options_(options), metrics_(metrics) {}

  /// Models for all requests from now on; those under way end with the old ones.
  void set_models(std::shared_ptr<ModelSet> models);
  /// Who may translate; empty: all.
  void set_keys(std::set<std::string> keys);

  /// Throw ApiError, or Error for a document that cannot be read.
  ApiResponse translate(const ApiRequest& request);
  ApiResponse detect(const ApiRequest& request);
  ApiResponse languages();
  ApiResponse translate_file(const ApiRequest& request);
  ApiResponse download(const std::string& token);
  ApiResponse settings();
  ApiResponse metrics();

 private:
  struct Translated {
    std::vector<std::string> texts;  // best first
    std::vector<std::string> warnings;
  };

  std::shared_ptr<ModelSet> models();
  void check_key(const std::string& key, const std::string& header_key);
  /// One for each text; `routes` are those of the texts.
  static std::vector<Translated> translate_all(const TranslateRequest& request, const std::vector<Route>& routes,
                                               Batcher::Clock::time_point deadline);
  static std::vector<Translated> translate_lines(const TranslateRequest& request, const std::vector<Route>& routes,
                                                 Batcher::Clock::time_point deadline);
  static Translated join(const TextLayout& layout, const std::vector<LineAnswer>& answers);

  const ApiOptions options_;
  ServerMetrics& metrics_;
  std::mutex mutex_;
  std::shared_ptr<ModelSet> models_;
  std::set<std::string> keys_;
  FileStore files_{std::size_t{256} << 20, std::chrono::minutes(20)};
};

}  // namespace polymoe
