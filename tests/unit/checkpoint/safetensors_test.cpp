#include "polymoe/checkpoint/safetensors.h"

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "support/temporary_folder.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using std::string_literals::operator""s;
using ::testing::HasSubstr;

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
  const testing::TemporaryFolder folder;
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

TEST(Safetensors, LaysOutTheBytesTheDefinitionAsksFor) {
  const SafetensorsLayout layout = lay_out_safetensors({{"b", Dtype::kU8, {3}}, {"a", Dtype::kF16, {}}});
  // The larger elements come first. 8 + 105 bytes are padded to the next multiple of 64 with spaces.
  const std::string header =
      R"({"a":{"data_offsets":[0,2],"dtype":"F16","shape":[]},"b":{"data_offsets":[2,5],"dtype":"U8","shape":[3]}})";
  ASSERT_EQ(header.size(), 105u);
  EXPECT_EQ(layout.header, file_of(header + std::string(15, ' '), ""));
  EXPECT_EQ(layout.offsets, (std::vector<std::uint64_t>{128, 130}));
  EXPECT_EQ(layout.file_bytes, 133u);
}

TEST(Safetensors, AlignsEachTensorToItsElements) {
  const testing::TemporaryFolder folder;
  const SafetensorsLayout layout = lay_out_safetensors({{"a", Dtype::kBool, {1}},
                                                        {"b", Dtype::kI64, {1}},
                                                        {"c", Dtype::kBF16, {3}},
                                                        {"d", Dtype::kI32, {1}},
                                                        {"e", Dtype::kF64, {1}}});
  put(folder / "a", layout.header + std::string(layout.file_bytes - layout.header.size(), '\0'));
  const SafetensorsFile file(folder / "a");
  EXPECT_EQ(file.tensors(), layout.tensors);
  ASSERT_EQ(file.tensors().size(), 5u);
  EXPECT_EQ(file.tensors().front().name, "b");
  for (std::size_t i = 0; i < layout.tensors.size(); ++i) {
    const TensorSpec& spec = layout.tensors[i];
    const auto offset = file.bytes(spec.name).data() - file.file_bytes().data();
    EXPECT_EQ(static_cast<std::uint64_t>(offset), layout.offsets[i]) << spec.name;
    EXPECT_EQ(static_cast<std::size_t>(offset) % dtype_bytes(spec.dtype), 0u) << spec.name;
  }
}

TEST(Safetensors, KeepsOddNamesAndTexts) {
  const testing::TemporaryFolder folder;
  const std::vector<std::string> names = {"",         "a.b/c\\d",    "quote\"d",   "line\nbreak\ttab",
                                          "\x01\x7f", "ключ \u4e2d", "\U0001F600", "__metadata"};
  std::vector<TensorSpec> specs;
  for (const std::string& name : names) specs.push_back({name, Dtype::kU8, {1}});
  const SafetensorsMetadata metadata = {{"k\"\n", "v\u00e9\0!"s}, {"", ""}};
  std::string data;
  for (std::size_t i = 0; i < names.size(); ++i) data += char('a' + i);
  put(folder / "a", lay_out_safetensors(specs, metadata).header + data);
  const SafetensorsFile file(folder / "a");
  EXPECT_EQ(file.metadata(), metadata);
  for (std::size_t i = 0; i < names.size(); ++i) {
    ASSERT_NE(file.find(names[i]), nullptr) << i;
    EXPECT_EQ(text_of(file.bytes(names[i])), std::string(1, char('a' + i))) << i;
  }
}

TEST(Safetensors, HoldsEmptyTensorsAndNoTensors) {
  const testing::TemporaryFolder folder;
  put(folder / "a",
      lay_out_safetensors({{"x", Dtype::kF32, {0, 4}}, {"y", Dtype::kI32, {1}}, {"z", Dtype::kU8, {0}}}).header +
          "1234");
  const SafetensorsFile file(folder / "a");
  EXPECT_EQ(file.tensors().size(), 3u);
  EXPECT_EQ(file.bytes("x").size(), 0u);
  EXPECT_EQ(text_of(file.bytes("y")), "1234");

  put(folder / "b", lay_out_safetensors({}).header);
  EXPECT_TRUE(SafetensorsFile(folder / "b").tensors().empty());
}

TEST(Safetensors, RefusesAFileCutAnywhere) {
  const testing::TemporaryFolder folder;
  const std::string whole = file_of(kReferenceHeader, kReferenceData);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    put(folder / "a", whole.substr(0, length));
    EXPECT_THAT(error_of(folder / "a"), HasSubstr("not a whole safetensors file")) << length;
  }
}

TEST(Safetensors, RefusesHeadersOfAbsurdLength) {
  const testing::TemporaryFolder folder;
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
  const testing::TemporaryFolder folder;
  put(folder / "good", file_of("{" + a + "}", "data"));
  EXPECT_EQ(error_of(folder / "good"), "no error");
  for (const BadHeader& bad : cases) {
    put(folder / "a", file_of(bad.header, "data"));
    EXPECT_THAT(error_of(folder / "a"), HasSubstr(bad.message)) << bad.header;
  }
}

TEST(Safetensors, SurvivesDeepNesting) {
  const testing::TemporaryFolder folder;
  put(folder / "a", file_of("{\"a\":" + std::string(1'000'000, '['), ""));
  EXPECT_THAT(error_of(folder / "a"), HasSubstr("nested too deeply"));
}

TEST(Safetensors, RefusesFoldersAndMissingFiles) {
  const testing::TemporaryFolder folder;
  EXPECT_THROW(SafetensorsFile(folder.path()), Error);
  EXPECT_THROW(SafetensorsFile(folder / "none"), Error);
}

TEST(Safetensors, RefusesTensorsThatNoFileCanHold) {
  EXPECT_THROW(lay_out_safetensors({{"a", Dtype::kU8, {1}}, {"a", Dtype::kU8, {1}}}), Error);
  EXPECT_THROW(lay_out_safetensors({{"__metadata__", Dtype::kU8, {1}}}), Error);
  EXPECT_THROW(lay_out_safetensors({{"\xc3(", Dtype::kU8, {1}}}), Error);
  EXPECT_THROW(lay_out_safetensors({}, {{"key", "\xff"}}), Error);
  EXPECT_THROW(lay_out_safetensors({{"a", Dtype::kU8, {-1}}}), Error);
  EXPECT_THROW(lay_out_safetensors({{"a", Dtype::kF64, {std::int64_t{1} << 60, 1}}}), Error);
}

}  // namespace
}  // namespace polymoe
