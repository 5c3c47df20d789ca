#include "polymoe/report/html_report.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/report/run_metrics.h"
#include "unit/report/run_folder.h"

namespace polymoe {
namespace {

using test::RunFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kRun =
    R"({"type":"run","time":1772900000,"config":{"model":{"hidden":256,"moe":{"experts":2}},"data":{"directions":["en-de","de-en"]}},"parameters":28000000,"active_parameters":12000000,"languages":["en","de"],"directions":["en-de","de-en"]})"
    "\n";
std::string train_line(int update, const std::string& loss) {
  return R"({"type":"train","update":)" + std::to_string(update) + R"(,"seconds":10,"loss":)" + loss +
         R"(,"learning_rate":0.0005,"tokens":1000,"tokens_per_second":100})"
         "\n";
}
const std::string kValid =
    R"({"type":"valid","update":20,"loss":2.5,"bleu":11.5,"chrf":33.25,"best":true,"directions":{"de-en":{"loss":2,"bleu":10,"chrf":30.5,"chrf_copy":12,"segments":50},"en-de":{"loss":3,"bleu":13,"chrf":36,"chrf_copy":8,"segments":50}}})"
    "\n";
const std::string kExperts =
    R"({"type":"experts","update":20,"layers":[{"name":"encoder.1","experts":2,"languages":{"de":{"tokens":30,"load":[0.25,0.75],"dropped":0.1,"entropy":0.5},"en":{"tokens":10,"load":[0.65,0.35],"dropped":0.3,"entropy":0.1}}}]})"
    "\n";
const std::string kSamples =
    R"({"type":"samples","update":20,"samples":[{"direction":"en-zh_CN","source":"<b>bold</b>","reference":"粗体","translation":"<script>alert(1)</script>"}]})"
    "\n";

std::string report_of(const std::vector<std::filesystem::path>& runs) {
  const RunFolder out;
  write_html_report(runs, out.path() / "report.html");
  return read_file(out.path() / "report.html");
}

std::string report_on(const std::string& metrics) {
  const RunFolder folder(metrics);
  return report_of({folder.path()});
}

/// The first tag that closes something else than what was opened last; "" for well-formed markup.
std::string first_wrong_tag(const std::string& html) {
  std::vector<std::string> open;
  std::size_t at = html.find("<html");
  while ((at = html.find('<', at)) != std::string::npos) {
    const std::size_t end = html.find('>', at);
    const std::string tag = html.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" \n/", 1));
    at = end;
    if (name == "meta" || name == "br" || tag.back() == '/') continue;
    if (name == "script" || name == "style") {  // what is inside is no markup
      at = html.find("</" + name + ">", at) + 1;
      continue;
    }
    if (tag[0] != '/') {
      open.push_back(name);
      continue;
    }
    if (open.empty() || "/" + open.back() != tag) return tag + " after " + (open.empty() ? "nothing" : open.back());
    open.pop_back();
  }
  return open.empty() ? "" : "unclosed " + open.back();
}

TEST(RunMetrics, HoldsWhatTheRecordsSay) {
  const RunFolder folder(kRun + train_line(10, "4.5") + train_line(20, "null") + kValid + kExperts + kSamples);
  const RunMetrics run = read_run_metrics(folder.path());
  EXPECT_EQ(run.about.parameters, 28e6);
  EXPECT_THAT(run.about.config, ElementsAre(std::pair("model.hidden", "256"), std::pair("model.moe.experts", "2"),
                                            std::pair("data.directions", "en-de, de-en")));
  ASSERT_EQ(run.train.size(), 2u);
  EXPECT_EQ(run.train[0].loss, 4.5);
  EXPECT_TRUE(std::isnan(run.train[1].loss));
  EXPECT_EQ(run.best()->chrf, 33.25);
  EXPECT_THAT(run.scored_directions(), ElementsAre("en-de", "de-en"));
  EXPECT_EQ(run.experts.at(0).layers.at(0).languages.at(1).load, (std::vector<double>{0.65, 0.35}));
  EXPECT_EQ(run.samples.at(0).samples.at(0).reference, "粗体");
}

TEST(RunMetrics, SkipsAnIncompleteLastLine) {
  const RunFolder folder(train_line(10, "4.5") + R"({"type":"train","upd)");
  EXPECT_EQ(read_run_metrics(folder.path()).train.size(), 1u);
}

TEST(RunMetrics, ReplacesWhatAResumedRunMadeAgain) {
  const RunFolder folder(train_line(10, "4") + train_line(20, "3") + train_line(30, "2") + train_line(20, "7"));
  const RunMetrics run = read_run_metrics(folder.path());
  ASSERT_EQ(run.train.size(), 2u);
  EXPECT_EQ(run.train[1].update, 20);
  EXPECT_EQ(run.train[1].loss, 7);
}

TEST(RunMetrics, NamesFileAndLineOfDamage) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"not json\n", "not JSON"},
      {"\n", "not JSON"},
      {"[1]\n", "\"record\" is not an object"},
      {"{\"type\":\"train\",\"update\":1,\"loss\":\"x\"}\n", "\"loss\" is not a number or null"},
      {"{\"type\":\"train\"}\n", "no \"update\""},
      {"{\"type\":\"train\",\"update\":1e999}\n", "not JSON"},
      {"{\"type\":\"valid\",\"update\":1,\"directions\":{\"en-de\":4}}\n", "\"en-de\" is not an object"},
      {"{\"type\":\"experts\",\"update\":1,\"layers\":[{\"languages\":{\"de\":{\"load\":[true]}}}]}\n",
       "\"load\" is not"},
      {"{\"type\":\"samples\",\"update\":1,\"samples\":[{\"source\":\"\xFF\"}]}\n", "not JSON"},
      {"{\"type\":7}\n", "\"type\" is not a string"},
      {std::string(1000000, '[') + "\n", "nested too deeply"},
  };
  for (const auto& [line, message] : cases) {
    const RunFolder folder(train_line(10, "4.5") + line + train_line(20, "4"));
    try {
      read_run_metrics(folder.path());
      ADD_FAILURE() << "no error for " << line;
    } catch (const Error& error) {
      EXPECT_EQ(error.where().line, 2u) << line;
      EXPECT_EQ(error.where().path, folder.metrics_path().string());
      EXPECT_THAT(error.what(), HasSubstr(message)) << line;
    }
  }
}

TEST(RunMetrics, SkipsRecordsItDoesNotKnow) {
  const RunFolder folder("{\"type\":\"later\",\"x\":[1]}\n" + train_line(10, "4.5"));
  EXPECT_EQ(read_run_metrics(folder.path()).train.size(), 1u);
}

TEST(HtmlReport, ShowsEverySection) {
  const std::string html =
      report_on(kRun + train_line(10, "4.5") + train_line(20, "4.0") + kValid + kExperts + kSamples);
  for (const char* id : {"training", "quality", "experts", "samples", "config"}) {
    EXPECT_THAT(html, HasSubstr("<section id=\"" + std::string(id) + "\">"));
  }
  EXPECT_THAT(html, HasSubstr("2 experts in 1 layer, 2 languages, 2 directions. Started 2026-03-07 16:13 UTC"));
  EXPECT_THAT(html, HasSubstr("<b>33.2</b><span>chrF</span><small>copying the source: 10.0</small>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">en → de</th><td>50</td><td>36.0</td><td>8.0</td>"));
  // All languages of the layer, weighted by tokens: (30 * 25 + 10 * 65) / 40 = 35 %, dropped (30 * 10 + 10 * 30) / 40.
  EXPECT_THAT(html,
              HasSubstr("all</th><td class=\"h9\">35.0</td><td class=\"h17\">65.0</td><td class=\"extra\">15.0%</td>"
                        "<td class=\"extra\">0.40</td>"));
  EXPECT_THAT(html, HasSubstr("model.moe.experts</th><td>2</td>"));
  EXPECT_EQ(first_wrong_tag(html), "");
}

TEST(HtmlReport, EscapesWhatUsersWroteAndNamesTheLanguage) {
  const std::string html = report_on(kSamples);
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(html, HasSubstr("dir=\"auto\" lang=\"zh-CN\">&lt;script&gt;alert(1)&lt;/script&gt;</dd>"));
  EXPECT_EQ(first_wrong_tag(html), "");
}

TEST(HtmlReport, EscapesHostileNamesEverywhere) {
  const std::string bad = "<img src=x>";
  const std::string html = report_on(
      R"({"type":"run","languages":["<img src=x>"],"directions":["<img src=x>-de"],"config":{"<img src=x>":{"a":"<img src=x>"}}})"
      "\n"
      R"({"type":"train","update":1,"loss":1,"tasks":{"<img src=x>":{"loss":1},"b":{"loss":2}}})"
      "\n"
      R"({"type":"valid","update":1,"chrf":1,"directions":{"<img src=x>-de":{"chrf":1,"bleu":2,"chrf_copy":0}}})"
      "\n"
      R"({"type":"valid","update":2,"chrf":1,"directions":{"<img src=x>-de":{"chrf":1},"de-<img src=x>":{"chrf":1}}})"
      "\n"
      R"({"type":"experts","update":1,"layers":[{"name":"<img src=x>","languages":{"<img src=x>":{"tokens":1,"load":[1]}}}]})"
      "\n"
      R"({"type":"samples","update":1,"samples":[{"direction":"<img src=x>-\"><img src=x>","source":"s"}]})"
      "\n");
  EXPECT_THAT(html, Not(HasSubstr(bad)));
  EXPECT_EQ(first_wrong_tag(html), "");
}

TEST(HtmlReport, ShowsHowAlikeLanguagesAndDirectionsUseExperts) {
  const RunFolder folder(kRun + kExperts);
  EXPECT_THAT(report_of({folder.path()}), HasSubstr("languages, encoder"));
  write_file(
      folder.path() / "usage.json",
      R"({"layers":{"encoder.<b>":{"directions":{"de-en":[0.25,0.75],"<b>":[1,0]},"tasks":{"summary":[0.5,0.5]},"languages":{"xx":[0.95,0.05],"yy":[0.5,0.5]}}}})");
  const std::string html = report_of({folder.path()});
  EXPECT_THAT(html, HasSubstr("de-en</th><td class=\"h5\">25.0</td><td class=\"h15\">75.0</td>"));
  // (0.25 0.75)(1 0) / sqrt(0.625)
  EXPECT_THAT(html, HasSubstr(">0.32</td>"));
  EXPECT_THAT(html, HasSubstr("summary</th>"));
  EXPECT_THAT(html, HasSubstr(">95.0</td>"));
  EXPECT_THAT(html, HasSubstr("xx</th>")) << "where usage.json has languages, they are not those of the validation";
  EXPECT_THAT(html, Not(HasSubstr("<b>\"")));
  EXPECT_THAT(html, HasSubstr("encoder.&lt;b&gt;"));
  EXPECT_EQ(first_wrong_tag(html), "");
}

TEST(HtmlReport, NamesADamagedUsageFile) {
  const RunFolder folder(kRun);
  for (const std::string& content :
       {std::string("{"), std::string("[1]"), std::string("{\"layers\":{\"a\":{\"tasks\":[1]}}}"),
        std::string("{\"layers\":{\"a\":{\"tasks\":{\"t\":[\"x\"]}}}}")}) {
    write_file(folder.path() / "usage.json", content);
    try {
      report_of({folder.path()});
      ADD_FAILURE() << "no error for " << content;
    } catch (const Error& error) {
      EXPECT_EQ(error.where().path, (folder.path() / "usage.json").string());
      EXPECT_THAT(error.what(), HasSubstr("polymoe usage"));
    }
  }
}

TEST(HtmlReport, ShowsTasksBesideTranslation) {
  const std::string html = report_on(
      R"({"type":"valid","update":20,"loss":2.5,"chrf":33,"tasks":{"translation":{"loss":2.5,"segments":40},"<i>":{"loss":1.5,"segments":12,"chrf":30,"rouge1":41.25,"rouge2":20,"rougeL":39}}})"
      "\n"
      R"({"type":"samples","update":20,"samples":[{"task":"<i>","direction":"en-cmd","source":"list","translation":"ls","reference":"ls -l"}]})"
      "\n");
  EXPECT_THAT(html,
              HasSubstr("&lt;i&gt;</th><td>12</td><td>1.500</td><td>30.0</td><td>41.2</td><td>20.0</td><td>39.0"));
  EXPECT_THAT(html, HasSubstr("<h3>&lt;i&gt;: en → cmd</h3>"));
  EXPECT_THAT(html, HasSubstr("<dt>output</dt>"));
  EXPECT_EQ(first_wrong_tag(html), "");
}

TEST(HtmlReport, LoadsNothingFromAnywhere) {
  const std::string html = report_on(kRun + train_line(10, "4.5") + kValid + kExperts + kSamples);
  EXPECT_THAT(html, HasSubstr("content=\"default-src 'none'"));
  for (const char* word : {" src=", "url(", "@import", "<link", "fetch(", "https:"})
    EXPECT_THAT(html, Not(HasSubstr(word)));
}

TEST(HtmlReport, ManagesWithAlmostNothing) {
  for (const std::string& metrics :
       {std::string(), kRun, train_line(1, "9.5"), train_line(1, "null"), kValid, kExperts,
        std::string("{\"type\":\"experts\",\"update\":1,\"layers\":[]}\n"),
        std::string("{\"type\":\"samples\",\"update\":1}\n"), std::string("{\"type\":\"valid\",\"update\":1}\n")}) {
    const std::string html = report_on(metrics);
    EXPECT_EQ(first_wrong_tag(html), "") << metrics;
    EXPECT_THAT(html, Not(HasSubstr("nan"))) << metrics;
    EXPECT_THAT(html, Not(HasSubstr("inf\""))) << metrics;
  }
}

TEST(HtmlReport, ComparesRunsSideBySide) {
  const RunFolder moe(kRun + train_line(10, "4.5") + kValid + kExperts + kSamples);
  std::string weaker = kValid;
  weaker.replace(weaker.find("\"chrf\":36"), 9, "\"chrf\":34");
  const RunFolder dense(train_line(10, "4.7") + weaker + kSamples);
  const std::string html = report_of({moe.path(), dense.path()});
  EXPECT_THAT(html, HasSubstr("2 training runs compared"));
  EXPECT_THAT(html, HasSubstr(moe.path().filename().string()));
  EXPECT_THAT(html, HasSubstr(dense.path().filename().string()));
  EXPECT_THAT(html, HasSubstr("<td>36.0</td><td>34.0</td><td><span class=\"loss\">−2.0</span></td>"));
  EXPECT_EQ(first_wrong_tag(html), "");
}

TEST(HtmlReport, TellsRunsOfOneNameApart) {
  const RunFolder folder(train_line(10, "4.5"));
  EXPECT_THAT(report_of({folder.path(), folder.path() / ""}), HasSubstr(folder.path().filename().string() + " (2)"));
}

TEST(HtmlReport, LeavesAnOlderReportUntouchedWhereItFails) {
  const RunFolder folder("not json\n");
  write_file(folder.path() / "report.html", "old");
  EXPECT_THROW(write_html_report({folder.path()}, folder.path() / "report.html"), Error);
  EXPECT_EQ(read_file(folder.path() / "report.html"), "old");
}

TEST(HtmlReport, SaysWhatToDoWithoutMetrics) {
  const RunFolder folder;
  try {
    write_html_report({folder.path()}, folder.path() / "report.html");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("metrics.jsonl"));
    EXPECT_THAT(error.what(), HasSubstr("polymoe train"));
  }
  EXPECT_THROW(write_html_report({}, "report.html"), Error);
}

}  // namespace
}  // namespace polymoe
