#include "polymoe/formats/document.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "unit/formats/fake_model.h"

namespace polymoe {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

std::string refusal(DocumentFormat format, const std::string& text) {
  try {
    read_document(format, text, {"file", "en", "de"});
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Documents, AreToldByTheirExtension) {
  EXPECT_EQ(parse_document_format("auto", "a/de.po"), DocumentFormat::kPo);
  EXPECT_EQ(parse_document_format("auto", "X.XLF"), DocumentFormat::kXliff);
  EXPECT_EQ(parse_document_format("auto", "-"), DocumentFormat::kText);
  EXPECT_EQ(parse_document_format("srt", "a.po"), DocumentFormat::kSrt);
  EXPECT_THROW(parse_document_format("doc", "a.po"), Error);
}

TEST(Documents, AreNotCompressedButForText) {
  EXPECT_EQ(parse_document_format("auto", "a.txt.gz"), DocumentFormat::kText);
  EXPECT_EQ(parse_document_format("auto", "a.gz"), DocumentFormat::kText);
  EXPECT_EQ(parse_document_format("text", "a.po.gz"), DocumentFormat::kText);
  try {
    parse_document_format("auto", "de.po.gz");
    FAIL() << "de.po.gz is taken";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("de.po.gz: is compressed"), HasSubstr("gunzip de.po.gz")));
  }
}

TEST(Documents, RefuseWhatIsNoText) {
  for (const std::string& name : document_format_names()) {
    const DocumentFormat format = parse_document_format(name, "");
    EXPECT_THAT(refusal(format, "a\n\xFF\xFE\xFF\n"), HasSubstr("file")) << name;
    EXPECT_THAT(refusal(format, std::string("a\0b\n", 4)), HasSubstr("file")) << name;
  }
}

TEST(Documents, KnowLanguagesByOtherNames) {
  EXPECT_TRUE(means_language("de-AT", "de"));
  EXPECT_TRUE(means_language("PT", "pt_BR"));
  EXPECT_FALSE(means_language("den", "de"));
  EXPECT_FALSE(means_language("", "de"));
  for (const char* const name : {"en", "en-US", "EN", "eng", "eng-Latn", "eng_Latn"}) {
    EXPECT_TRUE(means_language(name, "eng_Latn")) << name;
  }
  EXPECT_TRUE(means_language("de-AT", "deu_Latn"));
  EXPECT_TRUE(means_language("deu_Latn", "de"));
  EXPECT_FALSE(means_language("", "deu_Latn"));
  EXPECT_FALSE(means_language("fr", "deu_Latn"));
  EXPECT_TRUE(means_language("no", "nb"));
  for (const auto& [simplified, traditional] : {std::pair{"zh_CN", "zh_TW"}, std::pair{"zho_Hans", "zho_Hant"}}) {
    for (const char* const name : {"zh-Hans", "zh-CN", "zh_CN", "zho_Hans"}) {
      EXPECT_TRUE(means_language(name, simplified)) << name;
      EXPECT_FALSE(means_language(name, traditional)) << name;
    }
    EXPECT_TRUE(means_language("zh-Hant", traditional));
    EXPECT_FALSE(means_language("zh-Hant", simplified));
  }
  EXPECT_EQ(xml_language("sr@latin"), "sr");
  EXPECT_EQ(xml_language("pt_BR"), "pt-BR");
}

TEST(TextDocuments, KeepLinesOneToOne) {
  EXPECT_EQ(translate_text(DocumentFormat::kText, "a\n\n  \nb", marks_lines()), "de:a\n\n  \nde:b");
}

TEST(TsvDocuments, FillTheTargetsColumn) {
  EXPECT_EQ(translate_text(DocumentFormat::kTsv, "id\ten\tde\n1\ta\t\n2\tb\tB\n", marks_lines()),
            "id\ten\tde\n1\ta\tde:a\n2\tb\tB\n");
}

TEST(TsvDocuments, PreferTheExactName) {
  EXPECT_EQ(translate_text(DocumentFormat::kTsv, "en-GB\ten\tde-AT\tde\nx\ta\tX\t\n", marks_lines()),
            "en-GB\ten\tde-AT\tde\nx\ta\tX\tde:a\n");
}

TEST(TsvDocuments, ARelativeOfBothLanguagesIsTheSource) {
  const auto document = read_document(DocumentFormat::kTsv, "pt\na\n", {"file", "pt", "pt_BR"});
  fill_document(*document, marks_lines());
  EXPECT_EQ(document->text(), "pt\tpt_BR\na\tde:a\n");
  EXPECT_EQ(places_of_languages({"pt_BR", "pt_PT"}, "pt", "pt_BR").source, 1U) << "but for the target's own name";
  EXPECT_EQ(places_of_languages({"pt_BR"}, "pt", "pt_BR").source, 1U) << "there is none";
}

TEST(TsvDocuments, NameTheFault) {
  EXPECT_THAT(refusal(DocumentFormat::kTsv, "fr\nx\n"), HasSubstr("file:1: no column of the first line is named 'en'"));
  EXPECT_THAT(refusal(DocumentFormat::kTsv, "en\tde\na\n"), HasSubstr("file:2: 1 tab-separated columns where 2"));
  EXPECT_THAT(refusal(DocumentFormat::kTsv, ""), HasSubstr("is empty"));
}

TEST(JsonLinesDocuments, FillMissingKeys) {
  EXPECT_EQ(translate_text(DocumentFormat::kJsonLines,
                           "{\"id\": 7, \"en\": \"a\"}\n{\"translation\": {\"en\": \"b\", \"de\": \"\"}}\n"
                           "{ \"en\": \"c\", \"de\": \"C\" }\n",
                           marks_lines()),
            "{\"id\": 7, \"en\": \"a\", \"de\": \"de:a\"}\n{\"translation\": {\"en\": \"b\", \"de\": \"de:b\"}}\n"
            "{ \"en\": \"c\", \"de\": \"C\" }\n");
}

TEST(JsonLinesDocuments, KeepAllOtherBytes) {
  const auto translate = [](const std::string& line) {
    return translate_text(DocumentFormat::kJsonLines, line, marks_lines());
  };
  EXPECT_EQ(translate("{\"id\":12345678901234567890123,\"v\":[1.10, {\"de\": \"}\"}],\"en\":\"a\",\"de\" : null }\r\n"),
            "{\"id\":12345678901234567890123,\"v\":[1.10, {\"de\": \"}\"}],\"en\":\"a\",\"de\" : \"de:a\" }\r\n");
  EXPECT_EQ(translate("{\"q\\\"\\u0064e\":1,\"\\u0064e\":\"\",\"en\":\"a\"}\n"),
            "{\"q\\\"\\u0064e\":1,\"\\u0064e\":\"de:a\",\"en\":\"a\"}\n")
      << "names may be written in another way";
  EXPECT_THAT(translate("{\"de\":\"\",\"en\":\"a" + std::string(20'000, '[') + "\"}\n"), HasSubstr("\"de:a[["))
      << "brackets in text are none";
}

TEST(JsonLinesDocuments, NameTheFault) {
  EXPECT_THAT(refusal(DocumentFormat::kJsonLines, "{\"en\": \"a\"}\n[1]\n"), HasSubstr("file:2: not a JSON object"));
  EXPECT_THAT(refusal(DocumentFormat::kJsonLines, "{\"en\": \"\\u0000\"}\n"), HasSubstr("a NUL byte"));
  EXPECT_THAT(refusal(DocumentFormat::kJsonLines, "{\"fr\": \"a\"}\n"), HasSubstr("no text under the key \"en\""));
  EXPECT_THAT(refusal(DocumentFormat::kJsonLines, "{\"en\": " + std::string(100'000, '[') + "\n"),
              HasSubstr("too many lists"));
}

TEST(Subtitles, KeepTimesAndTags) {
  EXPECT_EQ(translate_text(DocumentFormat::kSrt,
                           "1\r\n00:00:01,000 --> 00:00:02,500\r\n{\\an8}<i>Good morning.</i>\r\n\r\n"
                           "2\n00:00:03,000 --> 00:00:04,000\n- Yes.\n- No.\n",
                           marks_lines()),
            "1\r\n00:00:01,000 --> 00:00:02,500\r\n{\\an8}<i>de:Good morning.</i>\r\n\r\n"
            "2\n00:00:03,000 --> 00:00:04,000\nde:- Yes.\nde:- No.\n");
}

TEST(Subtitles, KeepWhatWebVttAddsToThem) {
  const std::string head = "WEBVTT\n\nNOTE not this\n\nSTYLE\n::cue {}\n\nid\n00:01.000 --> 00:02.000 align:start\n";
  EXPECT_EQ(translate_text(DocumentFormat::kVtt, head + "<v Ann>Salt &amp; pepper</v>\n", marks_lines()),
            head + "<v Ann>de:Salt &amp; pepper</v>\n");
  EXPECT_EQ(translate_text(DocumentFormat::kVtt, head + "<v Ann>Hello\n", marks_lines()), head + "<v Ann>de:Hello\n");
}

TEST(Subtitles, ANoBreakSpaceDoesNotEndThem) {
  const std::string times = "WEBVTT\n\n00:01.000 --> 00:02.000\n";
  EXPECT_EQ(translate_text(DocumentFormat::kVtt, times + "a\n\u00A0\nb\n", marks_lines()), times + "de:a\nb\n")
      << "the lines are one text";
  EXPECT_EQ(translate_text(DocumentFormat::kVtt, times + "a\n  \n00:02.000 --> 00:03.000\nb\n", marks_lines()),
            times + "de:a\n  \n00:02.000 --> 00:03.000\nde:b\n")
      << "but another cue begins";
}

TEST(Subtitles, NameTheFault) {
  EXPECT_THAT(refusal(DocumentFormat::kSrt, "no times\n"), HasSubstr("holds no subtitle"));
  EXPECT_THAT(refusal(DocumentFormat::kVtt, "1\n00:01.000 --> 00:02.000\na\n"), HasSubstr("file:1"));
}

TEST(Subtitles, RefuseTextThatWouldBeATime) {
  FillReport report;
  const std::string text = "1\n00:00:01,000 --> 00:00:02,500\na\n";
  EXPECT_EQ(
      translate_text(DocumentFormat::kSrt, text, each_line([](const std::string&) { return "b --> c"; }), &report),
      text);
  EXPECT_EQ(report.refused, 1u);
}

TEST(HtmlDocuments, TranslateTextOnly) {
  const std::string page =
      "<!DOCTYPE html>\n<html><head><title>Title</title><style>p { x }</style><script>if (a<b) c();</script></head>\n"
      "<body class=\"x > y\"><!-- note --><p>One &amp; <em>two</em>.<br>Three</p><pre>keep  this</pre>"
      "<p translate=\"no\">Name</p><ul><li>Item</ul></body></html>\n";
  EXPECT_EQ(translate_text(DocumentFormat::kHtml, page, marks_lines()),
            "<!DOCTYPE html>\n<html><head><title>de:Title</title><style>p { x }</style><script>if (a<b) c();</script>"
            "</head>\n<body class=\"x > y\"><!-- note --><p>de:One &amp; <em>two</em>.<br>de:Three</p><pre>keep  this"
            "</pre><p translate=\"no\">Name</p><ul><li>de:Item</ul></body></html>\n");
}

TEST(HtmlDocuments, KeepUnclosedTagsWhereTheyStand) {
  EXPECT_EQ(translate_text(DocumentFormat::kHtml, "<p>a <b>c</p><p>d</b> e", marks_lines()),
            "<p>de:a <b>de:c</p><p>de:d</b> de:e");
}

std::string translate_xhtml(const std::string& text) {
  const auto document = read_document(DocumentFormat::kHtml, text, {"a.xhtml", "en", "de"});
  fill_document(*document, marks_lines());
  return document->text();
}

TEST(HtmlDocuments, OpenNothingWithWhatClosesItself) {
  EXPECT_EQ(translate_text(DocumentFormat::kHtml, "<p>a<svg x='1'/>b</p><p translate=\"no\"/>c", marks_lines()),
            "<p>de:a<svg x='1'/>de:b</p><p translate=\"no\"/>de:c");
  EXPECT_EQ(translate_text(DocumentFormat::kHtml, "<script src='x'/>a</script>b", marks_lines()),
            "<script src='x'/>a</script>de:b");
  EXPECT_EQ(translate_xhtml("<script src='x'/>a <b/>c"), "<script src='x'/>de:a <b/>c");
}

TEST(HtmlDocuments, KnowTheMarksOfWhatIsNotTranslated) {
  for (const char* const mark :
       {"class=\"brand notranslate\"", "class='notranslate'", "class='notranslate brand'", "CLASS=notranslate",
        "class = \"a\nnotranslate\"", "id='x' translate='no'", "translate=no", "title=\"a > b\" translate=\"no\""}) {
    const std::string page = "<p " + std::string(mark) + ">a</p>";
    EXPECT_EQ(translate_text(DocumentFormat::kHtml, page, marks_lines()), page);
  }
  for (const char* const other : {"class=\"notranslated\"", "name='translate=\"no\"'", "data-translate='no'", "=",
                                  "class", "class='x", "translate"}) {
    const std::string begin = "<p " + std::string(other) + ">";
    const std::string page = begin + "a</p>";
    const bool ends = std::string(other) != "class='x";
    EXPECT_EQ(translate_text(DocumentFormat::kHtml, page, marks_lines()), ends ? begin + "de:a</p>" : page) << other;
  }
}

TEST(HtmlDocuments, TranslateAttributesThatHoldProse) {
  const auto translate = [](const std::string& page) {
    return translate_text(DocumentFormat::kHtml, page, marks_lines());
  };
  EXPECT_EQ(translate("<p title='a'>b <img src=\"x.png\" ALT = \"c &amp; &nosuch; d\"\n/> e</p><input placeholder=f>"),
            "<p title='de:a'>de:b <img src=\"x.png\" ALT = \"de:c &amp; &nosuch; d\"\n/> e</p><input "
            "placeholder=\"de:f\">");
  EXPECT_EQ(translate("<textarea placeholder='a'><b></textarea><svg aria-label=\"b\"><title>c</title></svg>"),
            "<textarea placeholder='de:a'><b></textarea><svg aria-label=\"de:b\"><title>c</title></svg>");
  for (const char* const page :
       {"<img alt=''>", "<img alt=\"42\">", "<img alt>", "<img alt=a", "<img alt='a>", "</p title='a'>",
        "<img data-alt='a' alt-x='b' lang=en>", "<link title='a'><style title='a'></style><!-- title='a' -->",
        "<img alt='a' translate='no'>", "<input class=\"x notranslate\" placeholder='a'>",
        "<p translate='no' title='a'><img alt='b'></p>"}) {
    EXPECT_EQ(translate(page), page);
  }
}

TEST(HtmlDocuments, KeepAttributesWhateverTheirTranslationHolds) {
  const auto hostile = each_line([](const std::string&) { return "\"'><b>&"; });
  for (const char* const quote : {"\"", "'", ""}) {
    const std::string kept = *quote == '\0' ? "\"" : quote;
    EXPECT_EQ(
        translate_text(DocumentFormat::kHtml, "<img alt=" + std::string(quote) + "a" + quote + " src=x>", hostile),
        "<img alt=" + kept + "&quot;&#39;&gt;&lt;b&gt;&amp;" + kept + " src=x>");
  }
}

TEST(HtmlDocuments, FillAttributesOfTagsInTextThatIsLeft) {
  const auto document = read_document(DocumentFormat::kHtml, "<p>a <b title='c'>d</b></p>\n<p>e", {"file", "en", "de"});
  ASSERT_EQ(document->segments().size(), 3u);
  EXPECT_EQ(document->segments()[2].line, 2u);
  document->fill(0, {{.text = "C"}});
  EXPECT_EQ(document->text(), "<p>a <b title='C'>d</b></p>\n<p>e");
}

TEST(HtmlDocuments, CountWhatIsLeft) {
  const auto passed_over = [](const std::string& page) {
    return read_document(DocumentFormat::kHtml, page, {"file", "en", "de"})->passed_over();
  };
  EXPECT_THAT(passed_over("<p>a <code>b</code></p><pre>c</pre><p translate='no'>d</p>"),
              ElementsAre(Pair("elements that say that they are not translated", 1u),
                          Pair("elements without prose, such as <code> and <svg>", 2u)));
  EXPECT_THAT(passed_over("<img alt='a' translate='no'>"),
              ElementsAre(Pair("elements that say that they are not translated", 1u)));
  for (const char* const page : {"<p translate='no'>a<p>b", "<svg><p>a</p>", "a<script>b"}) {
    EXPECT_THAT(passed_over(page), Contains(Pair(HasSubstr("never closed"), 1u))) << page;
  }
  EXPECT_THAT(passed_over("<p>a<script>b</script>"), IsEmpty());
}

TEST(HtmlDocuments, ReadAndWriteEntities) {
  EXPECT_EQ(translate_text(DocumentFormat::kHtml, "caf&eacute; &#x26; &lt;b&gt; &nosuch; &copy;", marks_lines()),
            "de:café &amp; &lt;b&gt; &nosuch; ©");
}

TEST(TmxDocuments, AddMissingVariants) {
  const std::string text = translate_text(
      DocumentFormat::kTmx,
      "<?xml version=\"1.0\"?>\n<tmx version=\"1.4\"><header srclang=\"en\"/><body>\n"
      "  <tu>\n    <tuv xml:lang=\"en-US\"><seg>A <ph x=\"1\">{b}</ph> c</seg></tuv>\n  </tu>\n"
      "  <tu><tuv xml:lang=\"en\"><seg>d</seg></tuv><tuv xml:lang=\"de\"><seg>D</seg></tuv></tu>\n</body></tmx>\n",
      marks_lines());
  EXPECT_EQ(
      text,
      "<?xml version=\"1.0\"?>\n<tmx version=\"1.4\"><header srclang=\"en\"/><body>\n"
      "  <tu>\n    <tuv xml:lang=\"en-US\"><seg>A <ph x=\"1\">{b}</ph> c</seg></tuv>\n"
      "    <tuv xml:lang=\"de\" creationid=\"polymoe\"><seg>de:A <ph x=\"1\">{b}</ph> c</seg></tuv>\n  </tu>\n"
      "  <tu><tuv xml:lang=\"en\"><seg>d</seg></tuv><tuv xml:lang=\"de\"><seg>D</seg></tuv></tu>\n</body></tmx>\n");
}

TEST(TmxDocuments, PreferTheExactName) {
  const std::string unit =
      "<tmx><body><tu><tuv xml:lang=\"en-GB\"><seg>x</seg></tuv><tuv xml:lang=\"en\"><seg>a</seg></tuv>"
      "<tuv xml:lang=\"de-AT\"><seg>X</seg></tuv><tuv xml:lang=\"de\"><seg>";
  EXPECT_EQ(translate_text(DocumentFormat::kTmx, unit + "</seg></tuv></tu></body></tmx>", marks_lines()),
            unit + "de:a</seg></tuv></tu></body></tmx>");
}

TEST(Documents, ReadHostileOnesInLinearTime) {
  // Quadratic time would take minutes here.
  std::string page, cue = "1\n00:00:01,000 --> 00:00:02,000\n", memory = "<tmx><body>";
  std::string braces = cue, keys = "{\"en\":\"x\"", numbers = "{\"v\":[";
  for (int i = 0; i < 100'000; ++i) {
    braces += "{\\";
    numbers += "0, ";
    keys += fmt::format(",\"{}\":0", i);
    page += i % 2 == 0 ? "<b>" : "<!---->";
    cue += i % 2 == 0 ? "<b>" : "</i>";
    memory += "<tu><tuv xml:lang='en'><seg>a</seg></tuv></tu>\n";
  }
  EXPECT_THAT(translate_text(DocumentFormat::kHtml, page + "x", marks_lines()), EndsWith("de:x"));
  EXPECT_THAT(translate_text(DocumentFormat::kSrt, braces + "x\n", marks_lines()), EndsWith("x\n"));
  EXPECT_THAT(translate_text(DocumentFormat::kJsonLines, numbers + "0],\"en\":\"x\"}\n", marks_lines()),
              EndsWith("\"de:x\"}\n"));
  EXPECT_THAT(translate_text(DocumentFormat::kJsonLines, keys + "}\n", marks_lines()), EndsWith("\"de:x\"}\n"));
  EXPECT_THAT(translate_text(DocumentFormat::kSrt, cue + "x\n", marks_lines()), EndsWith("de:x\n"));
  const auto document = read_document(DocumentFormat::kTmx, memory + "</body></tmx>", {"file", "en", "de"});
  ASSERT_EQ(document->segments().size(), 100'000u);
  EXPECT_EQ(document->segments().back().line, 100'000u);
}

TEST(TmxDocuments, KeepNativeCodeInPairs) {
  const std::string source = "a <bpt i=\"1\">{</bpt>b<ept i=\"1\">}</ept>";
  const auto translate = [&](const std::string& answer) {
    return translate_text(DocumentFormat::kTmx,
                          "<tmx><body><tu><tuv xml:lang=\"en\"><seg>" + source + "</seg></tuv></tu></body></tmx>",
                          each_line([&](const std::string& line) { return line == "a <b>b</b>" ? answer : "x"; }));
  };
  EXPECT_THAT(translate("<b>B</b> A"), HasSubstr("<seg><bpt i=\"1\">{</bpt>B<ept i=\"1\">}</ept> A</seg>"));
  EXPECT_THAT(translate("</b>B<b> A"), HasSubstr("<seg>x <bpt i=\"1\">{</bpt>x<ept i=\"1\">}</ept></seg>"));
}

TEST(XliffDocuments, FillTargetsForReview) {
  const std::string text = translate_text(
      DocumentFormat::kXliff,
      "<xliff version=\"1.2\"><file source-language=\"en\" original=\"x\"><body>\n"
      "<trans-unit id=\"1\"><source>A <g id=\"1\">b</g> c</source></trans-unit>\n"
      "<trans-unit id=\"2\"><source>d</source><target>D</target></trans-unit>\n"
      "<trans-unit id=\"3\" translate=\"no\"><source>e</source></trans-unit>\n"
      "<trans-unit id=\"4\"><source>f &lt;</source><target state=\"new\"/></trans-unit>\n</body></file></xliff>\n",
      marks_lines());
  EXPECT_THAT(text, HasSubstr("<source>A <g id=\"1\">b</g> c</source><target state=\"needs-review-translation\" "
                              "state-qualifier=\"mt-suggestion\">de:A <g id=\"1\">b</g> c</target>"));
  EXPECT_THAT(text, HasSubstr("<target>D</target>"));
  EXPECT_THAT(text, Not(HasSubstr("de:e")));
  EXPECT_THAT(text, HasSubstr("state-qualifier=\"mt-suggestion\">de:f &lt;</target>"));
  EXPECT_THAT(text, HasSubstr("target-language=\"de\""));
}

TEST(XliffDocuments, FillTheSecondVersion) {
  const std::string text =
      translate_text(DocumentFormat::kXliff,
                     "<xliff version=\"2.0\" srcLang=\"en\" trgLang=\"de\"><file id=\"f\"><unit id=\"1\"><segment>"
                     "<source>A <pc id=\"1\">b</pc><ph id=\"2\"/></source></segment></unit></file></xliff>",
                     marks_lines());
  EXPECT_THAT(text, HasSubstr("<segment state=\"translated\"><source>A <pc id=\"1\">b</pc><ph id=\"2\"/></source>"
                              "<target>de:A <pc id=\"1\">b</pc><ph id=\"2\"/></target></segment>"));
}

TEST(XliffDocuments, KeepMarkersOfTheSecondVersion) {
  const auto translate = [](const std::string& source, const std::string& line, const std::string& answer) {
    return translate_text(DocumentFormat::kXliff,
                          "<xliff version=\"2.0\" srcLang=\"en\"><file id=\"f\"><unit id=\"1\"><segment><source>" +
                              source + "</source></segment></unit></file></xliff>",
                          each_line([&](const std::string& shown) { return shown == line ? answer : "x"; }));
  };
  EXPECT_THAT(translate("a <sm id=\"1\"/>b<em startRef=\"1\"/>", "a <b>b</b>", "<b>B</b> A"),
              HasSubstr("<target><sm id=\"1\"/>B<em startRef=\"1\"/> A</target>"));
  EXPECT_THAT(translate("Use <mrk id=\"1\" translate=\"no\">Vim</mrk> now", "Use <mrk/> now", "Nimm <mrk/> jetzt"),
              HasSubstr("<target>Nimm <mrk id=\"1\" translate=\"no\">Vim</mrk> jetzt</target>"));
  EXPECT_THAT(translate("<mrk id=\"1\">Vim</mrk> now", "<mrk>Vim</mrk> now", "<mrk>Wim</mrk> jetzt"),
              HasSubstr("<target><mrk id=\"1\">Wim</mrk> jetzt</target>"));
}

TEST(XliffDocuments, KeepTargetsOfNamesAlone) {
  const std::string text =
      "<xliff version=\"2.0\" srcLang=\"en\" trgLang=\"de\"><file><unit><segment><source>The <mrk "
      "translate=\"no\">Vim</mrk>"
      "</source><target><mrk translate=\"no\">Vim</mrk></target></segment></unit></file></xliff>";
  EXPECT_EQ(translate_text(DocumentFormat::kXliff, text, marks_lines()), text);
}

TEST(XliffDocuments, PutTargetsBehindSegmentedSources) {
  const std::string source =
      "<trans-unit id=\"1\"><source>a</source><seg-source><mrk mtype=\"seg\" mid=\"1\">a</mrk></seg-source>";
  EXPECT_THAT(translate_text(DocumentFormat::kXliff,
                             "<xliff version=\"1.2\"><file source-language=\"en\"><body>" + source +
                                 "</trans-unit></body></file></xliff>",
                             marks_lines()),
              HasSubstr(source + "<target "));
}

TEST(XmlDocuments, NameTheFault) {
  EXPECT_THAT(refusal(DocumentFormat::kTmx, "<tmx>\n<body>\n"), HasSubstr("not XML"));
  EXPECT_THAT(refusal(DocumentFormat::kTmx, "<xliff/>"), HasSubstr("its root is not <tmx>"));
  EXPECT_THAT(refusal(DocumentFormat::kXliff, "<xliff version='1.2'/>"), HasSubstr("holds no <trans-unit>"));
  EXPECT_THAT(refusal(DocumentFormat::kXliff, "<xliff srcLang='fr' version='2.0'/>"), HasSubstr("-s"));
  EXPECT_THAT(refusal(DocumentFormat::kTmx, "<tmx/>\nx\n"), HasSubstr("text beside its root"));
  EXPECT_THAT(refusal(DocumentFormat::kTmx, "<tmx/><tmx/>"), HasSubstr("2 root elements"));
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<g>";
  for (int i = 0; i < 100'000; ++i) deep += "</g>";
  EXPECT_THAT(refusal(DocumentFormat::kXliff, deep), HasSubstr("nested over 200 deep"));
  std::string wide = "<xliff";
  for (int i = 0; i < 1001; ++i) wide += fmt::format(" a{}='1'", i);
  EXPECT_THAT(refusal(DocumentFormat::kXliff, wide + "/>"), HasSubstr("over 1000 attributes"));
}

TEST(XmlDocuments, ReadNoOtherFiles) {
  const std::string text =
      translate_text(DocumentFormat::kXliff,
                     "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>"
                     "<xliff version=\"1.2\"><file source-language=\"en\"><body><trans-unit id=\"1\">"
                     "<source>a &e;</source></trans-unit></body></file></xliff>",
                     marks_lines());
  EXPECT_THAT(text, HasSubstr(">de:a &amp;e;</target>"));
}

}  // namespace
}  // namespace polymoe
