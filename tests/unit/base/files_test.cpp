#include "polymoe/base/files.h"

#include <csignal>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <zlib.h>

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Files : public ::testing::Test {
 protected:
  Files() {
    std::string name = (fs::temp_directory_path() / "polymoe-files-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~Files() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  std::string put(const std::string& name, const std::string& content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }

  std::string put_gzip(const std::string& name, const std::string& content) const {
    gzFile file = gzopen(path(name).c_str(), "wb");
    EXPECT_EQ(gzwrite(file, content.data(), static_cast<unsigned>(content.size())), static_cast<int>(content.size()));
    gzclose(file);
    return path(name);
  }

  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) found.push_back(entry.path().filename());
    std::sort(found.begin(), found.end());
    return found;
  }

  fs::path folder_;
};

std::vector<std::string> lines_of(const std::string& path) {
  LineReader reader(path);
  std::vector<std::string> lines;
  for (std::string line; reader.next(line);) lines.push_back(line);
  EXPECT_EQ(reader.line_number(), lines.size());
  return lines;
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string bytes_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST_F(Files, AMappedFileIsReadAgainAfterItWasReleased) {
  std::string content;
  for (int i = 0; i < 20000; ++i) content += static_cast<char>('a' + i % 26);
  const MappedFile file(put("mapped", content));
  EXPECT_EQ(bytes_of(file), content);
  file.release(file.bytes().subspan(100, 15000));
  file.release(file.bytes().subspan(7, 3));
  file.release({});
  EXPECT_EQ(bytes_of(file), content);
}

TEST_F(Files, LineReaderKnowsEveryLineEnd) {
  EXPECT_THAT(lines_of(put("a", "one\ntwo\r\n\nfour")), ElementsAre("one", "two", "", "four"));
  EXPECT_THAT(lines_of(put("b", "one\n")), ElementsAre("one"));
  EXPECT_THAT(lines_of(put("c", "\n")), ElementsAre(""));
  EXPECT_THAT(lines_of(put("d", "")), ElementsAre());
  EXPECT_THAT(lines_of(put("e", "a\rb\n")), ElementsAre("a\rb"));
}

TEST_F(Files, LineReaderLeavesOutAByteOrderMark) {
  const std::string mark = "\xEF\xBB\xBF";
  EXPECT_THAT(lines_of(put("a", mark + "a\n" + mark + "b\n")), ElementsAre("a", mark + "b"));
}

TEST_F(Files, LineReaderUnpacksGzipWhateverItsName) {
  EXPECT_THAT(lines_of(put_gzip("plain.txt", "one\ntwo\n")), ElementsAre("one", "two"));
  EXPECT_THAT(lines_of(put("named.gz", "not packed\n")), ElementsAre("not packed"));
}

TEST_F(Files, LineReaderCrossesItsBuffers) {
  std::string content;
  std::vector<std::string> expected;
  for (int i = 0; i < 300; ++i) {
    expected.emplace_back(static_cast<std::size_t>(i * 7), static_cast<char>('a' + i % 26));
    content += expected.back() + "\n";
  }
  EXPECT_EQ(lines_of(put("long", content)), expected);
}

TEST_F(Files, LineReaderNamesFileAndLineOfAnOverlongLine) {
  const std::string file = put("long", "short\n" + std::string(101, 'x') + "\n");
  LineReader reader(file, 100);
  std::string line;
  EXPECT_TRUE(reader.next(line));
  EXPECT_THAT(error_of([&] { reader.next(line); }), HasSubstr(file + ":2: line of over 100 bytes"));
  LineReader exact(put("exact", std::string(100, 'x')), 100);
  EXPECT_TRUE(exact.next(line));
}

TEST_F(Files, LineReaderStopsAnEndlessLineEarly) {
  LineReader reader("/dev/zero", 1000);
  std::string line;
  EXPECT_THAT(error_of([&] { reader.next(line); }), HasSubstr("/dev/zero:1: line of over 1000 bytes"));
}

TEST_F(Files, LineReaderReportsDamagedGzip) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += std::to_string(i * 7919) + "\n";
  const std::string whole = read_file(put_gzip("whole.gz", text));
  const std::string cut = put("cut.gz", whole.substr(0, whole.size() / 2));
  EXPECT_THAT(error_of([&] { lines_of(cut); }), HasSubstr("cannot read: unexpected end"));
  std::string damaged = whole;
  for (std::size_t i = whole.size() / 2; i < whole.size() / 2 + 20; ++i) damaged[i] = static_cast<char>(~damaged[i]);
  const std::string bad = put("bad.gz", damaged);
  EXPECT_THAT(error_of([&] { lines_of(bad); }), HasSubstr(bad + ":"));
}

TEST_F(Files, ReadsGzipFilesOneBehindTheOther) {
  const std::string first = read_file(put_gzip("1.gz", "one\ntw")), second = read_file(put_gzip("2.gz", "o\nthree\n"));
  const std::string empty = read_file(put_gzip("3.gz", ""));
  EXPECT_THAT(lines_of(put("all.gz", first + empty + second)), ElementsAre("one", "two", "three"));
  EXPECT_THAT(lines_of(put("padded.gz", first + second + std::string(200'000, '\0'))),
              ElementsAre("one", "two", "three"));
  EXPECT_THAT(lines_of(put("empty.gz", empty)), ElementsAre());
}

TEST_F(Files, BytesBehindAGzipFileAreAnError) {
  const std::string whole = read_file(put_gzip("whole.gz", "one\ntwo\n"));
  for (const std::string& rest : {std::string("junk\n"), std::string("\x1F"), std::string("\x1Fx"),
                                  std::string(100'000, '\0') + "junk", std::string(1, '\0') + whole}) {
    const std::string file = put("junk.gz", whole + rest);
    EXPECT_THAT(error_of([&] { lines_of(file); }), HasSubstr("junk.gz:3: what follows the packed text is not gzip"));
  }
  const std::string cut = put("cut.gz", whole + whole.substr(0, 5));
  EXPECT_THAT(error_of([&] { lines_of(cut); }), HasSubstr("cannot read: unexpected end"));
}

TEST_F(Files, ReadsAPipeAsFarAsItGoes) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  LineReader reader("/proc/self/fd/" + std::to_string(ends[0]));
  const auto send = [&](std::string_view text) {
    ASSERT_EQ(write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  };
  send("one\ntwo\nth");
  EXPECT_EQ(reader.beginning(), "one\ntwo\nth");
  std::string line;
  EXPECT_TRUE(reader.next(line));  // while the writer still holds the other end
  EXPECT_EQ(line, "one");
  EXPECT_EQ(reader.beginning(), "");
  EXPECT_TRUE(reader.next(line));
  send("ree\n");
  EXPECT_TRUE(reader.next(line));
  EXPECT_EQ(line, "three");
  close(ends[1]);
  EXPECT_FALSE(reader.next(line));
  close(ends[0]);
}

TEST_F(Files, ShowsTheBeginningWithoutTakingIt) {
  const std::string file = put_gzip("a.gz", "one\ntwo\n");
  LineReader reader(file);
  EXPECT_EQ(reader.beginning(), "one\ntwo\n");
  EXPECT_EQ(reader.beginning(), "one\ntwo\n");
  std::string line;
  EXPECT_TRUE(reader.next(line));
  EXPECT_EQ(line, "one");
  EXPECT_EQ(LineReader(put("none", "")).beginning(), "");
}

TEST_F(Files, OpeningWhatIsNoFileFails) {
  const std::string missing = path("missing");
  EXPECT_THAT(error_of([&] { LineReader reader(missing); }), HasSubstr(missing + ": cannot open: No such file"));
  EXPECT_THAT(error_of([&] { LineReader reader(folder_.string()); }), HasSubstr("is a folder, not a file"));
  EXPECT_THAT(error_of([&] { MappedFile file(missing); }), HasSubstr(missing + ": cannot open: No such file"));
  EXPECT_THAT(error_of([&] { MappedFile file(folder_); }), HasSubstr("not a regular file"));
}

TEST_F(Files, TellsWhichFileIsMappedAtAnAddress) {
  const std::string file = put("mapped", std::string(10000, 'x'));
  const std::byte* address = nullptr;
  {
    const MappedFile mapped(file);
    address = mapped.bytes().data();
    EXPECT_EQ(mapped_file_at(address), file);
    EXPECT_EQ(mapped_file_at(address + 9999), file);
    EXPECT_STREQ(mapped_file_at(&file), "");
  }
  EXPECT_STREQ(mapped_file_at(address), "");
}

TEST_F(Files, AtomicFileAppearsOnlyWhenCommitted) {
  AtomicFile file(path("result"));
  file.write("12345678");
  file.write("tail");
  EXPECT_EQ(file.size(), 12u);
  file.write_at(2, std::as_bytes(std::span("ab", 2)));
  EXPECT_FALSE(fs::exists(path("result")));
  file.commit();
  EXPECT_EQ(read_file(path("result")), "12ab5678tail");
  EXPECT_THAT(names(), ElementsAre("result"));
}

TEST_F(Files, AtomicFileDroppedLeavesTheOlderOneAlone) {
  put("result", "older");
  {
    AtomicFile file(path("result"));
    file.write(std::string(3 << 20, 'x'));  // more than is buffered
  }
  EXPECT_EQ(read_file(path("result")), "older");
  EXPECT_THAT(names(), ElementsAre("result"));
}

TEST_F(Files, AtomicFileReplacesTheOlderOne) {
  put("result", "older");
  write_file(path("result"), "newer");
  EXPECT_EQ(read_file(path("result")), "newer");
}

TEST_F(Files, AtomicFileThatCannotBeWrittenLeavesNothing) {
  // A limit on the size of files stands for a full disk.
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1 << 20, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = error_of([&] { write_file(path("result"), std::string(5 << 20, 'x')); });
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(message, HasSubstr(path("result") + ": cannot write: File too large; is the disk full?"));
  EXPECT_THAT(names(), ElementsAre());
}

TEST_F(Files, AtomicFileInAMissingFolderFails) {
  EXPECT_THAT(error_of([&] { AtomicFile file(path("missing/result")); }), HasSubstr("cannot create: No such file"));
}

TEST_F(Files, MappedFileShowsTheBytes) {
  const std::string content("a\0b\n", 4);
  MappedFile file(put("map", content));
  EXPECT_EQ(bytes_of(file), content);
  const MappedFile moved(std::move(file));
  EXPECT_EQ(bytes_of(moved), content);
  EXPECT_TRUE(MappedFile(put("empty", "")).bytes().empty());
}

TEST(Crc32, GivesTheCheckValueAndContinues) {
  const auto crc = [](std::string_view text, std::uint32_t seed) {
    return crc32_of(std::as_bytes(std::span(text)), seed);
  };
  EXPECT_EQ(crc("123456789", 0), 0xcbf43926u);  // the check value of CRC-32/ISO-HDLC
  EXPECT_EQ(crc("6789", crc("12345", 0)), 0xcbf43926u);
  EXPECT_EQ(crc("", 0), 0u);
}

TEST(Crc32, OfTwoPartsJoinsToThatOfTheWhole) {
  const std::string text = "The quick brown fox jumps over the lazy dog";
  const auto crc = [&](std::size_t begin, std::size_t end) {
    return crc32_of(std::as_bytes(std::span(text)).subspan(begin, end - begin));
  };
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32_joined(crc(0, cut), crc(cut, text.size()), text.size() - cut), crc(0, text.size())) << cut;
  }
  // A gap of bytes that others sum up: shares with nothing in it XOR to the whole.
  const std::uint32_t first = crc32_joined(crc(0, 10), 0, text.size() - 10);
  const std::uint32_t middle = crc32_joined(crc(10, 30), 0, text.size() - 30);
  EXPECT_EQ(first ^ middle ^ crc(30, text.size()), crc(0, text.size()));
}

TEST_F(Files, Crc32OfAFileReadsAllOfIt) {
  std::string content((std::size_t{3} << 20) + 5, 'q');
  content[7] = 'p';
  std::size_t heard = 0;
  EXPECT_EQ(crc32_of_file(put("large", content), [&](std::size_t bytes) { heard += bytes; }),
            crc32_of(std::as_bytes(std::span(content))));
  EXPECT_EQ(heard, content.size());
  EXPECT_EQ(crc32_of_file(put("none", "")), 0u);
  EXPECT_THAT(error_of([&] { crc32_of_file(path("missing")); }), HasSubstr("cannot open: No such file"));
  EXPECT_THAT(error_of([&] { crc32_of_file(path("")); }), HasSubstr("cannot read: Is a directory"));
}

TEST_F(Files, AtomicFileWritesThroughLinksAndNotOverWhatIsNoFile) {
  std::filesystem::create_symlink("target", folder_ / "link");
  write_file(folder_ / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "link"));
  EXPECT_EQ(read_file(folder_ / "target"), "new");
  EXPECT_THROW(write_file(folder_, "no"), Error);
  EXPECT_THROW(write_file("/dev/null", "no"), Error);
  std::filesystem::create_symlink("loop", folder_ / "loop");
  EXPECT_THROW(write_file(folder_ / "loop", "no"), Error);
}

}  // namespace
}  // namespace polymoe
