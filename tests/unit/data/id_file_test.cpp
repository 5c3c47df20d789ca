#include "polymoe/data/id_file.h"

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "unit/data/test_data.h"

namespace polymoe {
namespace {

using Lines = std::vector<std::vector<std::int32_t>>;

const Lines kLines = {{5, 6, 7}, {}, {299}, {}, {8, 9}};

void write_ids(const std::filesystem::path& path, std::int32_t vocabulary_size, const Lines& lines) {
  IdFileWriter writer(path, vocabulary_size);
  for (const std::vector<std::int32_t>& line : lines) writer.add(line);
  writer.commit();
}

Lines read_ids(const IdFile& file) {
  Lines lines(file.lines());
  for (std::size_t i = 0; i < lines.size(); ++i) file.read(i, lines[i]);
  return lines;
}

class IdFileTest : public ::testing::Test {
 protected:
  IdFileTest() {
    write_ids(path_, 300, kLines);
    bytes_ = read_file(path_);
  }

  /// Writes `bytes` with a header checksum that fits them, as somebody hostile would.
  void write_signed(std::string bytes) {
    const std::uint32_t checksum = crc32_of(std::as_bytes(std::span(bytes)).first(60));
    std::memcpy(bytes.data() + 60, &checksum, sizeof(checksum));
    overwrite(bytes);
  }

  /// Like write_file(), without waiting for the disk.
  void overwrite(const std::string& bytes) { std::ofstream(path_, std::ios::binary) << bytes; }

  template <typename Number>
  static void put(std::string& bytes, std::size_t offset, Number number) {
    std::memcpy(bytes.data() + offset, &number, sizeof(number));
  }

  testing::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "train.en.ids";
  std::string bytes_;
};

TEST_F(IdFileTest, ReadsBackWhatWasWritten) {
  const IdFile file(path_, 300);
  EXPECT_EQ(file.lines(), 5u);
  EXPECT_EQ(file.tokens(), 6u);
  EXPECT_EQ(file.length(0), 3u);
  EXPECT_EQ(file.length(1), 0u);
  EXPECT_EQ(read_ids(file), kLines);
  file.verify();
  EXPECT_FALSE(std::filesystem::exists(path_.string() + ".offsets"));
  { IdFileWriter dropped(folder_ / "dropped", 300); }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "dropped"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "dropped.offsets"));
}

TEST_F(IdFileTest, TakesTwoBytesForAnIdWhereTheVocabularyAllows) {
  EXPECT_EQ(bytes_.size(), 64u + 16u + 6u * 8u);  // header; 6 ids of 2 bytes and padding; 6 offsets
  write_ids(folder_ / "edge", 65536, {{65535}});
  EXPECT_EQ(std::filesystem::file_size(folder_ / "edge"), 64u + 8u + 2u * 8u);
  const Lines wide = {{70000, 3}, {}, {65536, 69999, 1}};
  write_ids(folder_ / "wide", 70001, wide);
  EXPECT_EQ(read_ids(IdFile(folder_ / "wide", 70001)), wide);
  EXPECT_EQ(std::filesystem::file_size(folder_ / "wide"), 64u + 24u + 4u * 8u);
}

TEST_F(IdFileTest, HoldsNoLinesAtAll) {
  write_ids(folder_ / "none", 300, {});
  EXPECT_EQ(IdFile(folder_ / "none", 300).lines(), 0u);
}

TEST_F(IdFileTest, RefusesEveryTruncationAndExtension) {
  for (std::size_t size = 0; size < bytes_.size(); ++size) {
    overwrite(bytes_.substr(0, size));
    EXPECT_THROW(IdFile(path_, 300), Error) << size;
  }
  overwrite(bytes_ + std::string(8, '\0'));
  EXPECT_THROW(IdFile(path_, 300), Error);
}

TEST_F(IdFileTest, RefusesEveryChangedByteOfHeaderAndOffsets) {
  for (std::size_t place = 0; place < bytes_.size(); ++place) {
    if (place >= 64 && place < 80) continue;  // the ids
    std::string bytes = bytes_;
    bytes[place] = static_cast<char>(bytes[place] ^ 0x11);
    overwrite(bytes);
    EXPECT_THROW(IdFile(path_, 300), Error) << place;
  }
}

TEST_F(IdFileTest, VerifyFindsChangedIds) {
  std::string bytes = bytes_;
  bytes[66] = static_cast<char>(bytes[66] ^ 1);
  overwrite(bytes);
  const IdFile file(path_, 300);
  EXPECT_THROW(file.verify(), Error);
}

TEST_F(IdFileTest, RefusesCountsWhoseSizesOverflow) {
  // tokens * 2 and (lines + 1) * 8 wrap around to the true size of the file.
  std::string bytes = bytes_;
  put(bytes, 24, (std::uint64_t{1} << 63) + 6);
  write_signed(bytes);
  EXPECT_THROW(IdFile(path_, 300), Error);
  bytes = bytes_;
  put(bytes, 16, (std::uint64_t{1} << 61) + 5);
  write_signed(bytes);
  EXPECT_THROW(IdFile(path_, 300), Error);
  put(bytes, 16, ~std::uint64_t{0});
  write_signed(bytes);
  EXPECT_THROW(IdFile(path_, 300), Error);
}

TEST_F(IdFileTest, RefusesOffsetsOutOfOrderThatCarryAFittingChecksum) {
  for (const std::uint64_t offset : {std::uint64_t{7}, ~std::uint64_t{0}, std::uint64_t{2}}) {
    std::string bytes = bytes_;
    put(bytes, 80 + 2 * 8, offset);  // the end of line 1; 3 would be right
    put(bytes, 40, crc32_of(std::as_bytes(std::span(bytes)).subspan(80)));
    write_signed(bytes);
    EXPECT_THROW(IdFile(path_, 300), Error) << offset;
  }
  std::string bytes = bytes_;
  put(bytes, 80, std::uint64_t{1});  // the first line does not start at 0
  put(bytes, 40, crc32_of(std::as_bytes(std::span(bytes)).subspan(80)));
  write_signed(bytes);
  EXPECT_THROW(IdFile(path_, 300), Error);
}

TEST_F(IdFileTest, RefusesAnotherVocabularySize) {
  EXPECT_THROW(IdFile(path_, 301), Error);
  EXPECT_THROW(IdFile(path_, 70000), Error);
}

TEST_F(IdFileTest, NeverGivesAnIdOutsideTheVocabulary) {
  write_ids(path_, 300, {{5}, {300}});
  const IdFile file(path_, 300);
  std::vector<std::int32_t> ids;
  file.read(0, ids);
  EXPECT_THROW(file.read(1, ids), Error);
  write_ids(folder_ / "wide", 70000, {{-1}});
  EXPECT_THROW(IdFile(folder_ / "wide", 70000).read(0, ids), Error);
}

TEST_F(IdFileTest, RefusesAFolderAndAMissingFile) {
  EXPECT_THROW(IdFile(folder_ / "", 300), Error);
  EXPECT_THROW(IdFile(folder_ / "missing", 300), Error);
}

}  // namespace
}  // namespace polymoe
