#include "polymoe/serve/server.h"

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/json_text.h"
#include "polymoe/serve/api_error.h"
#include "polymoe/serve/file_store.h"
#include "support/log_capture.h"
#include "unit/serve/fake_models.h"

namespace polymoe {
namespace {

using namespace testing;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

/// A server on a port of its own.
struct Running {
  explicit Running(std::shared_ptr<ModelSet> models = one_model(), ApiOptions api_options = {},
                   ServerOptions options = {})
      : api(api_options, metrics), server((options.port = 0, options), api, metrics) {
    api.set_models(std::move(models));
    server.start();
  }

  httplib::Client client() const {
    httplib::Client client("127.0.0.1", server.port());
    client.set_read_timeout(60);
    return client;
  }

  /// The answer's JSON, with its status under "status".
  json post(const std::string& path, const json& body) const {
    return answer(client().Post(path, dump_json(body), "application/json"));
  }
  json get(const std::string& path) const { return answer(client().Get(path)); }

  static json answer(const httplib::Result& result) {
    if (!result) return {{"status", 0}};
    json parsed = try_parse_json(result->body);
    if (!parsed.is_object()) parsed = {{"body", parsed.is_discarded() ? json(result->body) : parsed}};
    parsed["status"] = result->status;
    return parsed;
  }

  ServerMetrics metrics;
  Api api;
  ApiServer server;
};

json ask(const std::string& text) { return {{"q", text}, {"source", "en"}, {"target", "de"}}; }

TEST(Server, TranslatesAsLibreTranslateDoes) {
  const Running running;
  EXPECT_EQ(running.post("/translate", ask("Hello")), json({{"translatedText", "de:Hello"}, {"status", 200}}));
  EXPECT_EQ(running.post("/translate", {{"q", {"a", "b", ""}}, {"source", "en"}, {"target", "pt-BR"}}),
            json({{"translatedText", {"pt_BR:a", "pt_BR:b", ""}}, {"status", 200}}));
  EXPECT_EQ(running.post("/translate", ask("One.\n\n- two\n"))["translatedText"], "de:One.\n\nde:- two\n");
  EXPECT_EQ(running.post("/translate", ask("a\nb"))["translatedText"], "de:a\nde:b");
  json with_choices = ask("a");
  with_choices["alternatives"] = 2;
  EXPECT_EQ(running.post("/translate", with_choices),
            json({{"translatedText", "de:a"}, {"alternatives", {"de:a (2)", "de:a (3)"}}, {"status", 200}}));
  json html = ask("<p>Hello <b>you</b> &amp; me</p>");
  html["format"] = "html";
  EXPECT_EQ(running.post("/translate", html)["translatedText"], "<p>de:Hello <b>you</b> &amp; me</p>");
}

TEST(Server, TakesForms) {
  const Running running;
  const httplib::Params form = {{"q", std::string(20'000, 'a')}, {"source", "en"}, {"target", "de"}};
  EXPECT_EQ(Running::answer(running.client().Post("/translate", form))["translatedText"],
            "de:" + std::string(20'000, 'a'));
}

TEST(Server, DetectsLanguages) {
  const Running running;
  const std::string german = "Ich weiß nicht, was soll es bedeuten, dass ich so traurig bin.";
  const json answer = running.post("/translate", {{"q", german}, {"source", "auto"}, {"target", "en"}});
  EXPECT_EQ(answer["translatedText"], "en:" + german);
  EXPECT_EQ(answer["detectedLanguage"]["language"], "de");
  EXPECT_GT(answer["detectedLanguage"]["confidence"], 50);
  EXPECT_EQ(running.post("/detect", {{"q", "Não sei o que fazer amanhã à tarde."}})["body"][0]["language"], "pt");
  EXPECT_EQ(running.post("/detect", {{"q", "123"}})["body"], parse_json(R"([{"confidence": 0.0, "language": "und"}])"));
  EXPECT_THAT(running.post("/translate", {{"q", "123"}, {"source", "auto"}, {"target", "en"}})["error"],
              HasSubstr("cannot be told"));
}

TEST(Server, ListsLanguages) {
  const json languages = Running().get("/languages")["body"];
  ASSERT_EQ(languages.size(), 4u);
  EXPECT_EQ(languages[0], json({{"code", "de"}, {"name", "German"}, {"targets", {"en", "fr", "pt_BR"}}}));
  EXPECT_EQ(languages[3]["name"], "Portuguese (pt_BR)");
}

TEST(Server, TranslatesFiles) {
  const Running running;
  const httplib::MultipartFormDataItems form = {
      {"file", "1\n00:00:01,000 --> 00:00:02,000\nHello\n", "../a film.srt", "text/plain"},
      {"source", "en", "", ""},
      {"target", "de", "", ""}};
  const json answer = Running::answer(running.client().Post("/translate_file", form));
  const std::string url = answer.value("translatedFileUrl", "");
  const std::size_t path = url.find("/download_file/");
  ASSERT_NE(path, std::string::npos) << answer;
  const auto file = running.client().Get(url.substr(path));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->body, "1\n00:00:01,000 --> 00:00:02,000\nde:Hello\n");
  EXPECT_EQ(file->get_header_value("Content-Disposition"), "attachment; filename=\"de.a_film.srt\"");
  EXPECT_EQ(running.get("/download_file/00000000000000000000000000000000")["status"], 404);
  const httplib::MultipartFormDataItems bad = {
      {"file", "no times", "a.srt", ""}, {"source", "en", "", ""}, {"target", "de", "", ""}};
  EXPECT_EQ(Running::answer(running.client().Post("/translate_file", bad))["status"], 400);
  const httplib::MultipartFormDataItems endless = {
      {"file", std::string(30'000, 'a'), "a.txt", ""}, {"source", "en", "", ""}, {"target", "de", "", ""}};
  EXPECT_EQ(Running::answer(running.client().Post("/translate_file", endless))["status"], 413);
}

TEST(FileStore, DropsTheOldestAndRefusesWhatDoesNotFit) {
  FileStore store(10, std::chrono::hours(1));
  const std::string first = store.add({"a", "123456"}), second = store.add({"b", "12345"});
  EXPECT_FALSE(store.find(first));
  EXPECT_THROW(store.add({"c", "12345678901"}), ApiError);
  EXPECT_TRUE(store.find(second));
}

TEST(Server, TellsWhatIsWrong) {
  const Running running;
  const auto check = [&](const json& body, int status, const std::string& message) {
    const json answer = running.post("/translate", body);
    EXPECT_EQ(answer["status"], status) << body;
    EXPECT_THAT(answer.value("error", ""), HasSubstr(message)) << body;
  };
  check({{"q", "a"}}, 400, "\"source\" is missing");
  check({{"q", "a"}, {"source", "en"}, {"target", "dee"}}, 400, "'dee' is not supported; did you mean 'de'?");
  check({{"q", "a"}, {"source", "en"}, {"target", "en"}}, 400, "no model translates from 'en' to 'en'");
  check({{"q", "a"}, {"source", "en"}, {"target", "de"}, {"model", "x"}}, 400, "there is no model 'x'; known: fake");
  check(ask("long"), 400, "longer than the model reads");
  check(ask("bad"), 500, "the model fails: broken");
  EXPECT_THAT(running.post("/translate", ask("endless"))["warnings"][0], HasSubstr("does not end by itself"));
  EXPECT_THAT(running.post("/translate", ask("strange"))["warnings"][0], HasSubstr("does not know 1 of the tokens"));
  EXPECT_EQ(running.get("/nothing")["status"], 404);
  EXPECT_EQ(running.get("/translate")["status"], 404);
}

TEST(Server, RefusesLargeRequests) {
  const Running running(one_model(), {}, {.max_body_bytes = 100'000});
  EXPECT_EQ(running.post("/translate", ask(std::string(30'000, 'a')))["status"], 413);
  EXPECT_EQ(running.post("/translate", ask(std::string(200'000, 'a')))["status"], 413);
}

TEST(Server, AsksForKeys) {
  Running running;
  running.api.set_keys({"secret", "other"});
  EXPECT_EQ(running.post("/translate", ask("a"))["status"], 403);
  json body = ask("a");
  body["api_key"] = "secret2";
  EXPECT_EQ(running.post("/translate", body)["status"], 403);
  body["api_key"] = "other";
  EXPECT_EQ(running.post("/translate", body)["status"], 200);
  const auto result = running.client().Post("/translate", {{"Authorization", "Bearer secret"}}, dump_json(ask("a")),
                                            "application/json");
  EXPECT_EQ(Running::answer(result)["status"], 200);
  EXPECT_EQ(running.get("/frontend/settings")["keyRequired"], true);
}

TEST(Server, RefusesWhatTheQueueCannotHold) {
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  std::atomic<int> begun{0};
  const auto models = one_model(
      [&] {
        ++begun;
        open.wait();
      },
      {.max_queued_lines = 1});
  const Running running(models);
  auto first = std::async(std::launch::async, [&] { return running.post("/translate", ask("a")); });
  while (begun == 0) std::this_thread::yield();
  auto second = std::async(std::launch::async, [&] { return running.post("/translate", ask("b")); });
  while (models->queued()[0] == 0) std::this_thread::yield();
  const auto third = running.client().Post("/translate", dump_json(ask("c")), "application/json");
  ASSERT_TRUE(third);
  EXPECT_EQ(third->status, 429);
  EXPECT_GE(std::stoi(third->get_header_value("Retry-After")), 1);
  EXPECT_THAT(running.client().Get("/metrics")->body, HasSubstr("polymoe_queued_lines{model=\"fake\"} 1\n"));
  gate.set_value();
  EXPECT_EQ(first.get()["translatedText"], "de:a");
  EXPECT_EQ(second.get()["translatedText"], "de:b");
}

TEST(Server, GivesUpInTime) {
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  const Running running(one_model([open] { open.wait(); }), {.limits = {}, .timeout = std::chrono::milliseconds(50)});
  EXPECT_EQ(running.post("/translate", ask("a"))["status"], 503);
  gate.set_value();
}

TEST(Server, LosesNothingWhenModelsChange) {
  Running running(one_model({}, {}, "0"));
  constexpr int kClients = 8, kRequests = 50;
  std::vector<std::future<int>> clients;
  for (int client = 0; client < kClients; ++client) {
    clients.push_back(std::async(std::launch::async, [&running, client] {
      int good = 0;
      for (int i = 0; i < kRequests; ++i) {
        const std::string text = std::to_string(client) + "x" + std::to_string(i);
        const std::string answer = running.post("/translate", ask(text)).value("translatedText", "");
        if (answer.size() == text.size() + 3 && answer.starts_with("de") && answer.ends_with(text)) ++good;
      }
      return good;
    }));
  }
  for (int i = 1; i < 10; ++i) running.api.set_models(one_model({}, {}, std::to_string(i)));
  for (auto& client : clients) EXPECT_EQ(client.get(), kRequests);
}

TEST(Server, AnswersWhatIsUnderWayBeforeItEnds) {
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  std::atomic<int> begun{0};
  Running running(one_model([&, open] {
    ++begun;
    open.wait();
  }));
  auto asked = std::async(std::launch::async, [&] { return running.post("/translate", ask("a")); });
  while (begun == 0) std::this_thread::yield();
  auto stopped = std::async(std::launch::async, [&] { running.server.stop(); });
  gate.set_value();
  EXPECT_EQ(asked.get()["translatedText"], "de:a");
  stopped.get();
  EXPECT_EQ(running.get("/health")["status"], 0);  // nobody is there
}

TEST(Server, RefusesAPortThatIsTaken) {
  Running running;
  EXPECT_THROW(ApiServer({.port = running.server.port()}, running.api, running.metrics), Error);
}

TEST(Server, HasAPageThatFetchesNothingFromElsewhere) {
  const Running running;
  const auto page = running.client().Get("/");
  ASSERT_TRUE(page);
  EXPECT_THAT(page->body, HasSubstr("<title>"));
  EXPECT_THAT(page->body, Not(HasSubstr("//")));
  EXPECT_THAT(page->get_header_value("Content-Security-Policy"), HasSubstr("default-src 'none'"));
}

TEST(Server, CountsForPrometheus) {
  const Running running;
  running.post("/translate", ask("a"));
  running.get("/nothing");
  const std::string metrics = running.client().Get("/metrics")->body;
  EXPECT_THAT(metrics, HasSubstr("polymoe_requests_total{endpoint=\"/translate\",status=\"200\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("polymoe_request_seconds_count 1\n"));
  EXPECT_EQ(running.get("/health")["status"], 200);
}

}  // namespace
}  // namespace polymoe
