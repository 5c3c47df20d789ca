#include "checkpoint/safetensors.h"

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "unit/checkpoint/temporary_folder.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using std::string_literals::operator""s;
using testing::HasSubstr;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A file from the definition of the format: 8 bytes of length, the header, the data.
std::string file_of(const std::string& header, const std::string& data) {
  std::string file(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(file.data(), &length, 8);
  return file + header + data;
}

void put(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
}

std::string error_of(const fs::path& path) {
  try {
    const SafetensorsFile file(path);
    return "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.where().path, path.string());
    EXPECT_FALSE(error.remedy().empty());
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
}

// Two tensors, byte for byte: "w" = float32 [1, 2] = {1.0, -2.0}, "flags" = bool [3] = {1, 0, 1}.
const std::string kReferenceHeader =
    R"({"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
    R"("flags":{"dtype":"BOOL","shape":[3],"data_offsets":[8,11]}} )";
const std::string kReferenceData = "\x00\x00\x80\x3f\x00\x00\x00\xc0\x01\x00\x01"s;

TEST(Safetensors, ReadsAFileMadeByHandFromTheDefinition) {
  const TemporaryFolder folder;
  put(folder / "a.safetensors", file_of(kReferenceHeader, kReferenceData));
  const SafetensorsFile file(folder / "a.safetensors");
  ASSERT_EQ(file.tensors().size(), 2u);
  EXPECT_EQ(file.tensors()[0], (TensorSpec{"w", Dtype::kF32, {1, 2}}));
  EXPECT_EQ(file.tensors()[1], (TensorSpec{"flags", Dtype::kBool, {3}}));
  EXPECT_EQ(file.metadata(), (SafetensorsMetadata{{"format", "pt"}}));
  EXPECT_EQ(text_of(file.bytes("w")), "\x00\x00\x80\x3f\x00\x00\x00\xc0"s);
  EXPECT_EQ(text_of(file.bytes("flags")), "\x01\x00\x01"s);
  EXPECT_EQ(file.find("v"), nullptr);
  EXPECT_THROW(file.bytes("v"), Error);
}

TEST(Safetensors, WritesTheBytesTheDefinitionAsksFor) {
  const TemporaryFolder folder;
  SafetensorsWriter writer(folder / "a", {{"b", Dtype::kU8, {3}}, {"a", Dtype::kF16, {}}});
  writer.write("a", bytes_of("\x00\x3c"s));
  writer.write("b", bytes_of("xy"));
  writer.write("b", bytes_of("z"));
  writer.commit();
  // The larger elements come first. 8 + 105 bytes are padded to the next multiple of 64 with spaces.
  const std::string header =
      R"({"a":{"data_offsets":[0,2],"dtype":"F16","shape":[]},"b":{"data_offsets":[2,5],"dtype":"U8","shape":[3]}})";
  ASSERT_EQ(header.size(), 105u);
  EXPECT_EQ(read_file(folder / "a"), file_of(header + std::string(15, ' '), "\x00\x3cxyz"s));
}

TEST(Safetensors, WriterKnowsSizeAndChecksumOfTheFile) {
  const TemporaryFolder folder;
  const std::string data((std::size_t{3} << 20) + 5, 'q');  // over the pieces that are written at a time
  SafetensorsWriter writer(folder / "a", {{"x", Dtype::kU8, {static_cast<std::int64_t>(data.size())}}});
  writer.write("x", bytes_of(data));
  writer.commit();
  const SafetensorsFile file(folder / "a");
  EXPECT_EQ(text_of(file.bytes("x")), data);
  EXPECT_EQ(writer.size(), file.file_bytes().size());
  EXPECT_EQ(writer.crc32(), crc32_of(file.file_bytes()));
}

TEST(Safetensors, AlignsEachTensorToItsElements) {
  const TemporaryFolder folder;
  SafetensorsWriter writer(folder / "a", {{"a", Dtype::kBool, {1}},
                                          {"b", Dtype::kI64, {1}},
                                          {"c", Dtype::kBF16, {3}},
                                          {"d", Dtype::kI32, {1}},
                                          {"e", Dtype::kF64, {1}}});
  for (const TensorSpec& spec : writer.tensors()) writer.write(spec.name, bytes_of(std::string(tensor_bytes(spec), 0)));
  writer.commit();
  const SafetensorsFile file(folder / "a");
  ASSERT_EQ(file.tensors().size(), 5u);
  EXPECT_EQ(file.tensors().front().name, "b");
  for (const TensorSpec& spec : file.tensors()) {
    const auto offset = file.bytes(spec.name).data() - file.file_bytes().data();
    EXPECT_EQ(static_cast<std::size_t>(offset) % dtype_bytes(spec.dtype), 0u) << spec.name;
  }
}

TEST(Safetensors, KeepsOddNamesAndTexts) {
  const TemporaryFolder folder;
  const std::vector<std::string> names = {"",         "a.b/c\\d",    "quote\"d",   "line\nbreak\ttab",
                                          "\x01\x7f", "ключ \u4e2d", "\U0001F600", "__metadata"};
  std::vector<TensorSpec> specs;
  for (const std::string& name : names) specs.push_back({name, Dtype::kU8, {1}});
  const SafetensorsMetadata metadata = {{"k\"\n", "v\u00e9\0!"s}, {"", ""}};
  SafetensorsWriter writer(folder / "a", specs, metadata);
  for (std::size_t i = 0; i < names.size(); ++i) writer.write(names[i], bytes_of(std::string(1, char('a' + i))));
  writer.commit();
  const SafetensorsFile file(folder / "a");
  EXPECT_EQ(file.metadata(), metadata);
  for (std::size_t i = 0; i < names.size(); ++i) {
    ASSERT_NE(file.find(names[i]), nullptr) << i;
    EXPECT_EQ(text_of(file.bytes(names[i])), std::string(1, char('a' + i))) << i;
  }
}

TEST(Safetensors, HoldsEmptyTensorsAndNoTensors) {
  const TemporaryFolder folder;
  SafetensorsWriter writer(folder / "a", {{"x", Dtype::kF32, {0, 4}}, {"y", Dtype::kI32, {1}}, {"z", Dtype::kU8, {0}}});
  writer.write("y", bytes_of("1234"));
  writer.commit();
  const SafetensorsFile file(folder / "a");
  EXPECT_EQ(file.tensors().size(), 3u);
  EXPECT_EQ(file.bytes("x").size(), 0u);
  EXPECT_EQ(text_of(file.bytes("y")), "1234");

  SafetensorsWriter(folder / "b", {}).commit();
  EXPECT_TRUE(SafetensorsFile(folder / "b").tensors().empty());
}

TEST(Safetensors, RefusesAFileCutAnywhere) {
  const TemporaryFolder folder;
  const std::string whole = file_of(kReferenceHeader, kReferenceData);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    put(folder / "a", whole.substr(0, length));
    EXPECT_THAT(error_of(folder / "a"), HasSubstr("not a whole safetensors file")) << length;
  }
}

TEST(Safetensors, RefusesHeadersOfAbsurdLength) {
  const TemporaryFolder folder;
  for (const std::uint64_t length :
       {std::uint64_t{9}, std::uint64_t{1} << 40, std::uint64_t{1} << 63, ~std::uint64_t{0}, ~std::uint64_t{0} - 7}) {
    std::string file(16, ' ');
    std::memcpy(file.data(), &length, 8);
    put(folder / "a", file);
    EXPECT_THAT(error_of(folder / "a"), HasSubstr("header")) << length;
  }
  // A file that is really that long, with holes instead of data.
  const std::uint64_t length = 150'000'000;
  std::string begin(8, '\0');
  std::memcpy(begin.data(), &length, 8);
  put(folder / "a", begin + "{");
  fs::resize_file(folder / "a", 200'000'000);
  EXPECT_THAT(error_of(folder / "a"), HasSubstr("over the limit"));
}

struct BadHeader {
  std::string header;
  std::string message;
};

TEST(Safetensors, NamesWhatIsWrongWithAHeader) {
  const std::string kRange = R"("shape":[4],"data_offsets":[0,4]})";
  const std::string a = R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  const std::vector<BadHeader> cases = {
      {"", "not a JSON object"},
      {" {}", "not a JSON object"},
      {"[]", "not a JSON object"},
      {"{", "not JSON at byte"},
      {"{}x", "not JSON at byte"},
      {"{" + a + ",}", "not JSON at byte"},
      {"{\"\xff\":1}", "not JSON at byte"},
      {"{" + a + "," + a + "}", "'a' twice"},
      {R"({"a":{"dtype":"U8","dtype":"F32",)" + kRange + "}", "'dtype' twice"},
      {R"({"a":4})", "has no dtype"},
      {R"({"a":[]})", "has no dtype"},
      {R"({"a":{"dtype":"U8","shape":[4]}})", "has no data_offsets"},
      {R"({"a":{"dtype":"U8","data_offsets":[0,4]}})", "has no shape"},
      {R"({"a":{"dtype":"I4",)" + kRange + "}", "element type \"I4\""},
      {R"({"a":{"dtype":7,)" + kRange + "}", "element type 7"},
      {R"({"a":{"dtype":"U8","shape":4,"data_offsets":[0,4]}})", "not a list"},
      {R"({"a":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}})", "holds -4"},
      {R"({"a":{"dtype":"U8","shape":[4.0],"data_offsets":[0,4]}})", "holds 4.0"},
      {R"({"a":{"dtype":"U8","shape":["4"],"data_offsets":[0,4]}})", "holds \"4\""},
      {R"({"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,4]}})", "holds 18446744073709551615"},
      {R"({"a":{"dtype":"U8","shape":[1e999],"data_offsets":[0,4]}})", "out of range"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}})", "does not fit its shape"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904,4,0],"data_offsets":[0,0]}})", "does not fit its shape"},
      {R"({"a":{"dtype":"U8","shape":[5],"data_offsets":[0,4]}})", "does not fit its shape"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}})", "does not fit its shape"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4,8]}})", "not a pair"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[-4,0]}})", "not a pair"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":"0,4"}})", "not a pair"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[18446744073709551612,0]}})", "does not fit its shape"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}})",
       "'b' overlaps"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
       "gap before tensor 'b'"},
      {R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}})", "gap before tensor 'a'"},
      {R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", "1 bytes after the last tensor"},
      {R"({"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]}})", "1 of 5 bytes of tensors are missing"},
      {R"({"__metadata__":[],)" + a + "}", "__metadata__ is not an object"},
      {R"({"__metadata__":{"k":1},)" + a + "}", "'k' is not a string"},
      {R"({"a":{"dtype":"U8","shape":[[[4]]],"data_offsets":[0,4]}})", "nested too deeply"},
  };
  const TemporaryFolder folder;
  put(folder / "good", file_of("{" + a + "}", "data"));
  EXPECT_EQ(error_of(folder / "good"), "no error");
  for (const BadHeader& bad : cases) {
    put(folder / "a", file_of(bad.header, "data"));
    EXPECT_THAT(error_of(folder / "a"), HasSubstr(bad.message)) << bad.header;
  }
}

TEST(Safetensors, SurvivesDeepNesting) {
  const TemporaryFolder folder;
  put(folder / "a", file_of("{\"a\":" + std::string(1'000'000, '['), ""));
  EXPECT_THAT(error_of(folder / "a"), HasSubstr("nested too deeply"));
}

TEST(Safetensors, RefusesFoldersAndMissingFiles) {
  const TemporaryFolder folder;
  EXPECT_THROW(SafetensorsFile(folder.path()), Error);
  EXPECT_THROW(SafetensorsFile(folder / "none"), Error);
}

TEST(Safetensors, WriterRefusesTensorsThatNoFileCanHold) {
  const TemporaryFolder folder;
  const fs::path path = folder / "a";
  EXPECT_THROW(SafetensorsWriter(path, {{"a", Dtype::kU8, {1}}, {"a", Dtype::kU8, {1}}}), Error);
  EXPECT_THROW(SafetensorsWriter(path, {{"__metadata__", Dtype::kU8, {1}}}), Error);
  EXPECT_THROW(SafetensorsWriter(path, {{"\xc3(", Dtype::kU8, {1}}}), Error);
  EXPECT_THROW(SafetensorsWriter(path, {}, {{"key", "\xff"}}), Error);
  EXPECT_THROW(SafetensorsWriter(path, {{"a", Dtype::kU8, {-1}}}), Error);
  EXPECT_THROW(SafetensorsWriter(path, {{"a", Dtype::kF64, {std::int64_t{1} << 60, 1}}}), Error);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(Safetensors, WriterHoldsTheStreamAgainstWhatWasDeclared) {
  const TemporaryFolder folder;
  const fs::path path = folder / "a";
  {
    SafetensorsWriter writer(path, {{"a", Dtype::kU8, {2}}, {"b", Dtype::kU8, {2}}});
    EXPECT_THROW(writer.write("b", bytes_of("12")), Error);
    EXPECT_THROW(writer.write("c", bytes_of("12")), Error);
    EXPECT_THROW(writer.write("a", bytes_of("123")), Error);
    writer.write("a", bytes_of("1"));
    EXPECT_THROW(writer.write("b", bytes_of("12")), Error);
    writer.write("a", bytes_of("2"));
    EXPECT_THROW(writer.commit(), Error);
    writer.write("b", bytes_of("34"));
    EXPECT_THROW(writer.write("b", bytes_of("5")), Error);
    writer.commit();
  }
  EXPECT_EQ(text_of(SafetensorsFile(path).bytes("b")), "34");
}

TEST(Safetensors, AnAbandonedWriterLeavesTheOldFile) {
  const TemporaryFolder folder;
  put(folder / "a", "old");
  {
    SafetensorsWriter writer(folder / "a", {{"a", Dtype::kU8, {2}}});
    writer.write("a", bytes_of("1"));
  }
  EXPECT_EQ(read_file(folder / "a"), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
}

}  // namespace
}  // namespace polymoe
