#include "polymoe/checkpoint/checkpoint.h"

#include <bit>
#include <fstream>
#include <limits>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/temporary_folder.h"
#include "unit/checkpoint/support.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

void overwrite(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
}

TEST(Checkpoint, GivesBackEveryBitOfEveryType) {
  const testing::TemporaryFolder folder;
  // All 16-bit patterns, read as float16 and bfloat16, hold each kind of NaN, infinity and subnormal.
  const at::Tensor patterns = at::arange(65536, at::kInt).to(at::kShort);
  const auto words = at::tensor({std::numeric_limits<std::int64_t>::min(), std::int64_t{-1}, std::int64_t{0},
                                 std::bit_cast<std::int64_t>(std::numeric_limits<double>::signaling_NaN()),
                                 std::bit_cast<std::int64_t>(-0.0), std::bit_cast<std::int64_t>(5e-324)});
  const std::vector<std::pair<std::string, at::Tensor>> tensors = {
      {"f64", words.view(at::kDouble)},
      {"f32", words.view(at::kFloat)},
      {"f16", patterns.view(at::kHalf)},
      {"bf16", patterns.view(at::kBFloat16)},
      {"i64", words},
      {"i32", words.view(at::kInt)},
      {"u8", words.view(at::kByte)},
      {"bool", at::tensor({1, 0, 1}).to(at::kBool)},
      {"scalar", at::tensor(3.5f)},
      {"empty", at::empty({0, 7})},
      {"cube", at::arange(24).view({2, 3, 4})},
  };
  CheckpointWriter writer(folder / "c");
  for (const auto& [name, value] : tensors) writer.add("model", name, value);
  writer.commit({});

  const Checkpoint checkpoint = Checkpoint::open(folder / "c");
  checkpoint.verify();
  for (const auto& [name, value] : tensors) EXPECT_TRUE(same_bits(checkpoint.read("model", name), value)) << name;
}

TEST(Checkpoint, CarriesFilesBesideTheTensors) {
  const testing::TemporaryFolder folder;
  CheckpointWriter writer(folder / "c");
  writer.add("model", "a", at::ones({2}));
  writer.add_file("vocab.model", std::string("\0\n\xff", 3));
  EXPECT_THAT(message_of([&] { writer.add_file("vocab.model", ""); }), HasSubstr("two files are named"));
  for (const char* name : {"", "index.json", "../x", "a/b", ".hidden", "model-00001-of-00001.safetensors"}) {
    EXPECT_THAT(message_of([&] { writer.add_file(name, ""); }), HasSubstr("cannot name a file")) << name;
  }
  writer.commit({});
  EXPECT_EQ(read_file(folder / "c/vocab.model"), std::string("\0\n\xff", 3));
  EXPECT_NO_THROW(Checkpoint::open(folder / "c").verify());
}

TEST(Checkpoint, StoresValuesNotStrides) {
  const testing::TemporaryFolder folder;
  const at::Tensor matrix = at::arange(6.0).view({2, 3});
  const at::Tensor parameter = at::ones({2}).requires_grad_();
  CheckpointWriter writer(folder / "c");
  writer.add("model", "transposed", matrix.t());
  writer.add("model", "column", matrix.select(1, 1));
  writer.add("model", "expanded", at::tensor({7.0f}).expand({3}));
  writer.add("model", "parameter", parameter);
  writer.commit({});
  const Checkpoint checkpoint = Checkpoint::open(folder / "c");
  EXPECT_TRUE(at::equal(checkpoint.read("model", "transposed"), matrix.t()));
  EXPECT_TRUE(at::equal(checkpoint.read("model", "column"), at::tensor({1.0f, 4.0f})));
  EXPECT_TRUE(at::equal(checkpoint.read("model", "expanded"), at::tensor({7.0f, 7.0f, 7.0f})));
  EXPECT_FALSE(checkpoint.read("model", "parameter").requires_grad());
}

TEST(Checkpoint, ReadTensorsOutliveTheCheckpointAndItsFiles) {
  const testing::TemporaryFolder folder;
  CheckpointWriter writer(folder / "c");
  writer.add("model", "w", at::arange(1000));
  writer.commit({});
  const at::Tensor value = [&] { return Checkpoint::open(folder / "c").read("model", "w"); }();
  fs::remove_all(folder / "c");
  EXPECT_TRUE(at::equal(value, at::arange(1000)));
}

TEST(Checkpoint, KeepsGroupsNamesAndMeta) {
  const testing::TemporaryFolder folder;
  const json meta = {{"update", 9007199254740993},
                     {"largest", std::numeric_limits<std::uint64_t>::max()},
                     {"loss", 0.1},
                     {"tiny", 5e-324},
                     {"text", "naïve \u4e2d\n"},
                     {"list", {1, 2.5, nullptr, true}}};
  CheckpointWriter writer(folder / "c");
  writer.add("model", "encoder.layers.1.moe.experts.3.up.weight", at::ones({2, 3}));
  writer.add("model", "decoder \"名\"", at::zeros({1}, at::kBFloat16));
  writer.add("optimizer", "exp_avg/encoder.layers.1.moe.experts.3.up.weight", at::ones({2, 3}));
  writer.commit(meta);
  const Checkpoint checkpoint = Checkpoint::open(folder / "c");
  EXPECT_EQ(checkpoint.meta(), meta);
  EXPECT_THAT(checkpoint.groups(), ElementsAre("model", "optimizer"));
  EXPECT_THAT(checkpoint.names("model"), ElementsAre("decoder \"名\"", "encoder.layers.1.moe.experts.3.up.weight"));
  EXPECT_THAT(checkpoint.names("other"), ElementsAre());
  EXPECT_EQ(checkpoint.spec("model", "decoder \"名\""), (TensorSpec{"decoder \"名\"", Dtype::kBF16, {1}}));
  EXPECT_FALSE(checkpoint.has("optimizer", "decoder \"名\""));
  EXPECT_THAT(message_of([&] { checkpoint.read("model", "w"); }), HasSubstr("no tensor 'w' in group 'model'"));
  EXPECT_EQ(testing::names_in(folder / "c"), (std::set<std::string>{"index.json", "model-00001-of-00001.safetensors",
                                                                    "optimizer-00001-of-00001.safetensors"}));
}

TEST(Checkpoint, SplitsShardsAtTheLimit) {
  const testing::TemporaryFolder folder;
  CheckpointWriter writer(folder / "c", 100);
  // 40 + 60 bytes fill the first shard, 120 need one of their own, 4 + 4 share the last.
  const std::vector<std::pair<std::string, std::int64_t>> sizes = {{"a", 10}, {"b", 15}, {"c", 30}, {"d", 1}, {"e", 1}};
  for (const auto& [name, size] : sizes) writer.add("model", name, at::full({size}, static_cast<double>(size)));
  writer.commit({});
  const std::vector<std::set<std::string>> expected = {{"a", "b"}, {"c"}, {"d", "e"}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const SafetensorsFile shard(folder / "c" / fmt::format("model-0000{}-of-00003.safetensors", i + 1));
    std::set<std::string> names;
    for (const TensorSpec& spec : shard.tensors()) names.insert(spec.name);
    EXPECT_EQ(names, expected[i]);
  }
  const Checkpoint checkpoint = Checkpoint::open(folder / "c");
  for (const auto& [name, size] : sizes) {
    EXPECT_TRUE(at::equal(checkpoint.read("model", name), at::full({size}, static_cast<double>(size))));
  }
}

TEST(Checkpoint, HoldsOneTensorAtATimeInMemory) {
  const testing::TemporaryFolder folder;
  int alive = 0, most_alive = 0;
  std::vector<float> storage(64, 1.0f);
  CheckpointWriter writer(folder / "c", 500);
  for (int i = 0; i < 5; ++i) {
    writer.add("model", {fmt::format("t{}", i), Dtype::kF32, {64}}, [&] {
      most_alive = std::max(most_alive, ++alive);
      return at::from_blob(storage.data(), {64}, [&](void*) { --alive; });
    });
  }
  EXPECT_EQ(most_alive, 0);
  writer.commit({});
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(most_alive, 1);
}

TEST(Checkpoint, ReplacesAnOlderOneOfTheSameName) {
  const testing::TemporaryFolder folder;
  for (const std::int64_t update : {1, 2}) {
    CheckpointWriter writer(folder / "checkpoint-best/", update == 1 ? 4 : 1000);  // 2 shards, then 1
    writer.add("model", "a", at::full({1}, update));
    writer.add("model", "b", at::full({1}, -update));
    writer.commit({{"update", update}});
    EXPECT_EQ(testing::names_in(folder.path()), std::set<std::string>{"checkpoint-best"});
    const Checkpoint checkpoint = Checkpoint::open(folder / "checkpoint-best");
    checkpoint.verify();
    EXPECT_EQ(checkpoint.meta().at("update"), update);
    EXPECT_EQ(checkpoint.read("model", "b").item<std::int64_t>(), -update);
  }
  EXPECT_EQ(testing::names_in(folder / "checkpoint-best").size(), 2u);
}

TEST(Checkpoint, NeverReplacesWhatIsNoCheckpoint) {
  const testing::TemporaryFolder folder;
  overwrite(folder / "file", "precious");
  fs::create_directory(folder / "thesis");
  overwrite(folder / "thesis" / "chapter", "precious");
  for (const char* name : {"file", "thesis"}) {
    CheckpointWriter writer(folder / name);
    EXPECT_THAT(message_of([&] { writer.commit({}); }), HasSubstr("exists and is not a checkpoint"));
  }
  EXPECT_EQ(testing::names_in(folder.path()), (std::set<std::string>{"file", "thesis"}));
  EXPECT_EQ(read_file(folder / "thesis" / "chapter"), "precious");
}

TEST(Checkpoint, AFailedCommitLeavesTheOldOneAndNoTrace) {
  const testing::TemporaryFolder folder;
  CheckpointWriter first(folder / "c");
  first.add("model", "w", at::ones({3}));
  first.commit({});
  const auto before = testing::names_in(folder.path());

  CheckpointWriter wrong_shape(folder / "c");
  wrong_shape.add("model", {"w", Dtype::kF32, {3}}, [] { return at::ones({4}); });
  EXPECT_THAT(message_of([&] { wrong_shape.commit({}); }), HasSubstr("'w' is not of the declared type and shape"));
  CheckpointWriter throwing(folder / "c");
  throwing.add("model", {"w", Dtype::kF32, {3}}, []() -> at::Tensor { throw std::runtime_error("lost a rank"); });
  EXPECT_THROW(throwing.commit({}), std::runtime_error);
  CheckpointWriter infinite(folder / "c");
  EXPECT_THAT(message_of([&] {
                infinite.commit({{"best", -std::numeric_limits<double>::infinity()}});
              }),
              HasSubstr("not finite"));
  EXPECT_THAT(message_of([&] { infinite.commit({{"name", "\xff"}}); }), HasSubstr("not UTF-8"));

  EXPECT_EQ(testing::names_in(folder.path()), before);
  EXPECT_TRUE(at::equal(Checkpoint::open(folder / "c").read("model", "w"), at::ones({3})));
}

TEST(Checkpoint, RefusesTensorsItCannotHold) {
  const testing::TemporaryFolder folder;
  CheckpointWriter writer(folder / "c");
  writer.add("model", "w", at::ones({1}));
  EXPECT_THAT(message_of([&] { writer.add("model", "w", at::ones({1})); }), HasSubstr("two tensors"));
  EXPECT_THAT(message_of([&] { writer.add("model", "c", at::ones({1}, at::kComplexFloat)); }),
              HasSubstr("ComplexFloat"));
  EXPECT_THAT(message_of([&] { writer.add("model", "u", at::Tensor()); }), HasSubstr("no dense values"));
  EXPECT_THAT(message_of([&] { writer.add("model", "s", at::eye(2).to_sparse()); }), HasSubstr("no dense values"));
  EXPECT_THAT(message_of([&] { writer.add("../model", "x", at::ones({1})); }), HasSubstr("cannot name a group"));
  writer.add("optimizer", "w", at::ones({1}));  // names are unique within a group only
}

TEST(Checkpoint, FindsFlippedBitsInEveryPartOfEveryFile) {
  const testing::TemporaryFolder folder;
  CheckpointWriter writer(folder / "c", 16);
  writer.add("model", "a", at::arange(3));
  writer.add("model", "b", at::arange(4, at::kByte));
  writer.commit({{"update", 7}});
  Checkpoint::open(folder / "c").verify();
  for (const std::string& name : testing::names_in(folder / "c")) {
    const std::string whole = read_file(folder / "c" / name);
    for (std::size_t i = 0; i < whole.size(); i += 5) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
      overwrite(folder / "c" / name, damaged);
      EXPECT_NE(message_of([&] { Checkpoint::open(folder / "c").verify(); }), "no error") << name << " byte " << i;
    }
    overwrite(folder / "c" / name, whole);
  }
  Checkpoint::open(folder / "c").verify();
}

TEST(Checkpoint, VerifyTellsHowFarItIs) {
  const testing::TemporaryFolder folder;
  CheckpointWriter writer(folder / "c", 3'000'000);
  for (const char* name : {"a", "b"}) writer.add("model", name, at::ones({700'000}));
  writer.commit({});
  const Checkpoint checkpoint = Checkpoint::open(folder / "c");
  ASSERT_EQ(checkpoint.shards().size(), 2u);
  std::vector<Progress> heard;
  checkpoint.verify([&](const Progress& progress) { heard.push_back(progress); });
  ASSERT_GE(heard.size(), 7u);  // at least each megabyte
  const std::uint64_t total = checkpoint.shards()[0].bytes + checkpoint.shards()[1].bytes;
  for (std::size_t i = 0; i < heard.size(); ++i) {
    EXPECT_EQ(heard[i].total, total);
    EXPECT_EQ(heard[i].finished, i + 1 == heard.size());
    EXPECT_GE(heard[i].done, i > 0 ? heard[i - 1].done : 0);
  }
  EXPECT_EQ(heard.back().done, total);
}

TEST(Checkpoint, OpenNamesTheFileThatIsMissingCutOrForeign) {
  const testing::TemporaryFolder folder;
  for (const std::int64_t size : {4, 5}) {
    CheckpointWriter writer(folder / fmt::format("c{}", size));
    writer.add("model", "w", at::ones({4}, size == 4 ? at::kFloat : at::kInt));
    writer.commit({});
  }
  const fs::path path = folder / "c4";
  const std::string file = "model-00001-of-00001.safetensors", index = "index.json";
  const std::string shard = read_file(path / file), text = read_file(path / index);
  const auto open = [&] { return message_of([&] { Checkpoint::open(path); }); };

  fs::resize_file(path / file, shard.size() - 1);
  EXPECT_THAT(open(), ::testing::AllOf(HasSubstr(file), HasSubstr("by the index")));
  fs::copy_file(folder / "c5" / file, path / file, fs::copy_options::overwrite_existing);
  ASSERT_EQ(fs::file_size(path / file), shard.size());
  EXPECT_THAT(open(), ::testing::AllOf(HasSubstr(file), HasSubstr("disagrees with the index about tensor 'w'")));
  fs::remove(path / file);
  EXPECT_THAT(open(), ::testing::AllOf(HasSubstr(file), HasSubstr("cannot be read")));
  overwrite(path / file, shard);
  for (std::size_t length = 0; length < text.size(); length += 3) {
    overwrite(path / index, text.substr(0, length));
    EXPECT_THAT(open(), HasSubstr("index.json: does not match its own checksum")) << length;
  }
  fs::remove(path / index);
  EXPECT_THAT(open(), HasSubstr("not a checkpoint"));
  overwrite(path / index, text);
  EXPECT_EQ(open(), "no error");
}

/// An index with a right checksum, as a hostile hand would make it.
std::string signed_index(std::string text) {
  text.pop_back();
  return text + fmt::format(",\"crc32\":\"{:08x}\"}}\n", crc32_of(std::as_bytes(std::span(text))));
}

TEST(Checkpoint, SurvivesHostileIndexes) {
  const testing::TemporaryFolder folder;
  const auto open = [&](const std::string& text) {
    overwrite(folder / "index.json", signed_index(text));
    return message_of([&] { Checkpoint::open(folder.path()); });
  };
  const std::string head = R"({"format":"polymoe checkpoint","version":1,"meta":{})";
  const std::string shards = R"(,"shards":[{"file":"s","bytes":0,"crc32":0}])";
  EXPECT_EQ(open(head + R"(,"shards":[],"tensors":{}})"), "no error");
  EXPECT_THAT(open("{}"), HasSubstr("not an index"));
  EXPECT_THAT(open("[]"), HasSubstr("not an index"));
  EXPECT_THAT(open(R"({"format":"other"})"), HasSubstr("not the index of a checkpoint"));
  EXPECT_THAT(open(R"({"format":"polymoe checkpoint","version":2})"), HasSubstr("newer format"));
  EXPECT_THAT(open(head + "," + std::string(1'000'000, '[')), HasSubstr("not an index"));
  EXPECT_THAT(open(head + R"(,"deep":)" + std::string(1'000'000, '[')), HasSubstr("nested too deeply"));
  EXPECT_THAT(open(head + R"(,"shards":[{"file":"../s","bytes":0,"crc32":0}],"tensors":{}})"),
              HasSubstr("no name of a shard"));
  EXPECT_THAT(open(head + R"(,"shards":[{"file":4,"bytes":0,"crc32":0}],"tensors":{}})"), HasSubstr("not an index"));
  EXPECT_THAT(open(head + shards + R"(,"tensors":{"model":{"w":{"dtype":"F32","shape":[1],"shard":1}}}})"),
              HasSubstr("not listed"));
  EXPECT_THAT(open(head + shards + R"(,"tensors":{"model":{"w":{"dtype":"F7","shape":[1],"shard":0}}}})"),
              HasSubstr("unknown element type"));
  EXPECT_THAT(open(head + shards + R"(,"tensors":{"model":[1]}})"), HasSubstr("not an index"));
  for (const char* number : {"-1", "1.5", "1e30", "true", "18446744073709551616"}) {
    EXPECT_THAT(open(head + R"(,"shards":[{"file":"s","crc32":0,"bytes":)" + number + R"(}],"tensors":{}})"),
                HasSubstr("a whole number is wanted"));
  }
  EXPECT_THAT(open(head + R"(,"shards":[{"file":"s","bytes":0,"crc32":4294967296}],"tensors":{}})"),
              HasSubstr("a whole number is wanted"));
  EXPECT_THAT(open(head + shards + R"(,"tensors":{"model":{"w":{"dtype":"F32","shape":[-1],"shard":0}}}})"),
              HasSubstr("a whole number is wanted"));
}

}  // namespace
}  // namespace polymoe
