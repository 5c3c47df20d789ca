#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/report/axis.h"
#include "polymoe/report/bar_chart.h"
#include "polymoe/report/heat_map.h"
#include "polymoe/report/html.h"
#include "polymoe/report/line_chart.h"

namespace polymoe {
namespace {

using ::testing::DoubleEq;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Axis, MarksRoundValues) {
  const Axis axis = make_axis(0.3, 9.4, 5, true);
  EXPECT_EQ(axis.low, 0);
  EXPECT_EQ(axis.high, 10);
  EXPECT_THAT(axis.labels, ElementsAre("0", "2", "4", "6", "8", "10"));
  EXPECT_DOUBLE_EQ(axis.place(5), 0.5);
}

TEST(Axis, KeepsTheEndsOfTheDataWhereAsked) {
  const Axis axis = make_axis(0, 6500, 6, false);
  EXPECT_EQ(axis.high, 6500);
  EXPECT_THAT(axis.labels, ElementsAre("0", "2,000", "4,000", "6,000"));
}

TEST(Axis, LabelsSmallAndLargeValuesShortly) {
  const Axis small = make_axis(0, 7e-4, 4, true);
  EXPECT_EQ(small.factor, "×10⁻⁴");
  EXPECT_THAT(small.labels, ElementsAre("0", "2", "4", "6", "8"));
  EXPECT_THAT(make_axis(0, 100000, 5, true).labels, ElementsAre("0", "20k", "40k", "60k", "80k", "100k"));
  EXPECT_THAT(make_axis(1, 1.2, 2, true).labels, ElementsAre("1.0", "1.1", "1.2"));
}

TEST(Axis, HasARangeWhateverTheData) {
  for (const auto& [low, high] : {std::pair{3.0, 3.0},
                                  {0.0, 0.0},
                                  {-5.0, -5.0},
                                  {kNan, 1.0},
                                  {0.0, kInfinity},
                                  {1e-310, 1e-310},
                                  {1e17, 1e17},
                                  {2.0, 1.0},
                                  {-1e308, 1e308}}) {
    const Axis axis = make_axis(low, high, 5, true);
    EXPECT_LT(axis.low, axis.high) << low;
    EXPECT_GE(axis.ticks.size(), 2u) << low;
    EXPECT_LE(axis.ticks.size(), 20u) << low;
    EXPECT_EQ(axis.ticks.size(), axis.labels.size());
  }
}

TEST(Curves, SmoothingTakesTheMedianOfAsManyNeighboursOnBothSides) {
  EXPECT_THAT(smoothed({1, 100, 3, 4, 5}, 1), ElementsAre(1, 3, 4, 4, 5));
  EXPECT_THAT(smoothed({5, kNan, 7, 9}, 0), ElementsAre(5, ::testing::IsNan(), 7, 9));
  EXPECT_THAT(smoothed({}, 3), ElementsAre());
}

TEST(Curves, ThinningKeepsEndsAndExtremes) {
  Series series;
  for (int i = 0; i < 10000; ++i) {
    series.x.push_back(i);
    series.y.push_back(i == 4321 ? 50.0 : i == 7000 ? -50.0 : std::sin(i));
  }
  const Series thin = thinned(series, 100);
  EXPECT_LE(thin.x.size(), 102u);
  EXPECT_EQ(thin.x.front(), 0);
  EXPECT_EQ(thin.x.back(), 9999);
  EXPECT_THAT(thin.y, ::testing::Contains(50.0));
  EXPECT_THAT(thin.y, ::testing::Contains(-50.0));
  EXPECT_TRUE(std::is_sorted(thin.x.begin(), thin.x.end()));
}

LineChart chart_of(std::vector<double> x, std::vector<double> y) {
  LineChart chart;
  chart.title = "Loss";
  chart.x_label = "update";
  chart.series = {{"run", std::move(x), std::move(y)}};
  return chart;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(LineChart, PutsPointsWhereTheyBelong) {
  // The y axis goes from 0 to 10, so 5 lies half-way up a plot 464 wide and 238 high.
  EXPECT_THAT(render(chart_of({0, 10}, {0, 10})), HasSubstr("d=\"M0.0 238.00L464.0 0.00\""));
}

TEST(LineChart, BreaksTheLineAtMissingValues) {
  EXPECT_THAT(render(chart_of({0, 5, 10, 15}, {0, kNan, 10, 10})),
              HasSubstr("d=\"M0.0 238.00M309.3 0.00L464.0 0.00\""));
}

TEST(LineChart, ShowsASinglePointAsADot) {
  EXPECT_THAT(render(chart_of({7}, {2})), HasSubstr("<circle class=\"dot\""));
}

TEST(LineChart, OfNothingIsNothing) {
  EXPECT_EQ(render(chart_of({}, {})), "");
  EXPECT_EQ(render(chart_of({1}, {kNan})), "");
}

TEST(LineChart, CutsOffASpikeInsteadOfFlatteningTheRest) {
  std::vector<double> x, y;
  for (int i = 0; i < 200; ++i) {
    x.push_back(i);
    y.push_back(i == 100 ? 1e6 : 1.0 + 0.01 * i);
  }
  // The bulk reaches from about 1 to 3, so the axis ends below 3 + 3 * 2 rounded up.
  const std::string html = render(chart_of(x, y));
  const std::size_t at = html.find("data-y=\"") + 8;
  const double high = std::stod(html.substr(html.find(' ', at)));
  EXPECT_GE(high, 3);
  EXPECT_LE(high, 10);
}

TEST(LineChart, EscapesNamesAndDescribesItself) {
  LineChart chart = chart_of({0, 1}, {3, 4});
  chart.title = "<b>&";
  chart.series[0].name = "\"x\"<script>";
  const std::string html = render(chart);
  EXPECT_THAT(html, Not(HasSubstr("<script>")));
  EXPECT_THAT(html, HasSubstr("<title>&lt;b&gt;&amp;</title>"));
  EXPECT_THAT(html, HasSubstr("from 3 to 4."));
}

TEST(BarChart, DrawsABarForEachValueAndAMark) {
  BarChart chart;
  chart.title = "chrF";
  chart.names = {"moe", "dense"};
  chart.mark_name = "copying";
  chart.rows = {{"en → de", {50, 25}, 10}, {"en → ar", {kNan, 30}, kNan}};
  const std::string html = render(chart);
  EXPECT_EQ(count(html, "<rect"), 3u);
  EXPECT_EQ(count(html, "class=\"mark\""), 1u);
  // The axis goes to 50 over 408 units.
  EXPECT_THAT(html, HasSubstr("width=\"408.0\""));
  EXPECT_THAT(html, HasSubstr("width=\"204.0\""));
}

TEST(BarChart, OfNothingIsNothing) {
  BarChart chart;
  chart.names = {"run"};
  EXPECT_EQ(render(chart), "");
  chart.rows = {{"en → de", {kNan}, 10}};
  EXPECT_EQ(render(chart), "");
}

TEST(HeatMap, ColoursCellsByValue) {
  HeatMap map;
  map.title = "encoder.1";
  map.rows = {"de", "<ar>"};
  map.columns = {"0", "1"};
  map.values = {{0, 40}, {20, kNan}};
  map.high = 40;
  const std::string html = render(map);
  EXPECT_THAT(html, HasSubstr("<td class=\"h0\">0.0</td><td class=\"h20\">40.0</td>"));
  EXPECT_THAT(html, HasSubstr("<td class=\"h10\">20.0</td><td class=\"none\"></td>"));
  EXPECT_THAT(html, HasSubstr("&lt;ar&gt;"));
}

TEST(HeatMap, WithManyColumnsShowsValuesAsTooltips) {
  HeatMap map;
  map.rows = {"de"};
  map.values = {{}};
  for (int i = 0; i < 64; ++i) {
    map.columns.push_back(std::to_string(i));
    map.values[0].push_back(1.5625);
  }
  map.high = 1.5625;
  EXPECT_THAT(render(map), HasSubstr("<td class=\"h20\" title=\"de, 63: 1.6\"></td>"));
}

TEST(HeatMap, OfNothingIsNothing) { EXPECT_EQ(render(HeatMap{}), ""); }

TEST(Html, EscapesTextAndForbiddenCharacters) {
  EXPECT_EQ(escape_html("a<b>&\"c'\n"), "a&lt;b&gt;&amp;&quot;c&#39;\n");
  EXPECT_EQ(escape_html(std::string("x\0y\x1B", 4)), "x\uFFFDy\uFFFD");
  EXPECT_EQ(escape_html("日本語 عربي"), "日本語 عربي");
}

TEST(Html, NamesLanguagesAsBrowsersDo) {
  EXPECT_EQ(language_tag("zh_CN"), "zh-CN");
  EXPECT_EQ(language_tag("sr@latin"), "sr-Latn");
  EXPECT_EQ(language_tag("uz@cyrillic"), "uz-Cyrl");
  EXPECT_EQ(language_tag("de"), "de");
  EXPECT_EQ(direction_label("en-pt_BR"), "en → pt_BR");
}

}  // namespace
}  // namespace polymoe
