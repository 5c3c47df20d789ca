// Checkpoints written and read by the members of a group, each of which holds a part of every tensor.
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/files.h"
#include "polymoe/checkpoint/checkpoint.h"
#include "polymoe/checkpoint/copy_runs.h"
#include "polymoe/checkpoint/dtype.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/temporary_folder.h"
#include "support/thread_communicator.h"
#include "unit/checkpoint/support.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using ::testing::Each;
using ::testing::HasSubstr;
using testing::run_ranks;

using Runs = std::vector<Run>;  // inside a TEST, Run is GoogleTest's

constexpr int kMaxMembers = 4;

/// A tensor and which member of a group of `size` holds element i, row-major.
struct CutTensor {
  std::string name;
  at::Tensor value;
  std::function<int(std::int64_t i, int size)> owner;
};

/// Matrices of 8 x 12 cut in all ways, and what has no matrix's shape.
std::vector<CutTensor> cut_tensors() {
  const auto matrix = [](std::int64_t begin, at::ScalarType type) {
    return at::arange(begin, begin + 96).view({8, 12}).to(type);
  };
  const auto row = [](std::int64_t i) { return static_cast<int>(i / 12); };
  const auto column = [](std::int64_t i) { return static_cast<int>(i % 12); };
  return {
      {"rows", matrix(0, at::kFloat), [=](std::int64_t i, int size) { return row(i) * size / 8; }},
      {"columns", matrix(1, at::kBFloat16), [=](std::int64_t i, int size) { return column(i) * size / 12; }},
      {"blocks", matrix(2, at::kDouble),
       [=](std::int64_t i, int size) { return (row(i) / 4 * 2 + column(i) / 6) % size; }},
      {"scattered", matrix(3, at::kLong), [](std::int64_t i, int size) { return static_cast<int>(i * 7 % 13 % size); }},
      {"flat_shards", matrix(4, at::kFloat), [](std::int64_t i, int size) { return static_cast<int>(i * size / 96); }},
      {"of_the_last", matrix(5, at::kHalf), [](std::int64_t, int size) { return size - 1; }},
      {"bytes", matrix(6, at::kByte), [=](std::int64_t i, int size) { return column(i) % size; }},
      {"scalar", at::tensor(2.5), [](std::int64_t, int size) { return size / 2; }},
      {"empty", at::empty({0, 3}), [](std::int64_t, int) { return 0; }},
  };
}

/// What one member holds: its elements in their order, and where they belong.
struct Slice {
  at::Tensor local;
  Runs runs;
};

Slice slice_of(const CutTensor& tensor, int rank, int size) {
  std::vector<std::int64_t> indices;
  Runs runs;
  for (std::int64_t i = 0; i < tensor.value.numel(); ++i) {
    if (tensor.owner(i, size) != rank) continue;
    if (!runs.empty() && runs.back().logical + runs.back().count == i) {
      ++runs.back().count;
    } else {
      runs.push_back({static_cast<std::int64_t>(indices.size()), i, 1});
    }
    indices.push_back(i);
  }
  return {tensor.value.reshape({-1}).index_select(0, at::tensor(indices, at::kLong)), runs};
}

void add_slices(CheckpointWriter& writer, const std::vector<CutTensor>& tensors, int rank, int size) {
  for (const CutTensor& tensor : tensors) {
    const Slice slice = slice_of(tensor, rank, size);
    writer.add_part(
        "model", spec_of(tensor.name, tensor.value), [slice] { return slice.local; }, slice.runs);
  }
}

/// Each member's error, by rank; "no error" where there was none.
std::vector<std::string> messages_of(int size, const std::function<void(Communicator&)>& work) {
  std::vector<std::string> messages(static_cast<std::size_t>(size));
  run_ranks(size, [&](Communicator& world) {
    messages[static_cast<std::size_t>(world.rank())] = message_of([&] { work(world); });
  });
  return messages;
}

TEST(ParallelCheckpoint, TheFilesDoNotTellWhoWroteThem) {
  const testing::TemporaryFolder folder;
  constexpr std::uint64_t kSmallShards = 500;
  const std::vector<CutTensor> tensors = cut_tensors();
  const nlohmann::json meta = {{"update", 7}};
  CheckpointWriter alone(folder / "alone", kSmallShards);
  for (const CutTensor& tensor : tensors) alone.add("model", tensor.name, tensor.value);
  alone.add("optimizer", "whole", at::ones({50}));
  alone.commit(meta);
  const std::set<std::string> files = testing::names_in(folder / "alone");
  ASSERT_GE(files.size(), 7u);
  for (int size = 1; size <= kMaxMembers; ++size) {
    run_ranks(size, [&](Communicator& world) {
      CheckpointWriter writer(world, folder / "together", kSmallShards);
      add_slices(writer, tensors, world.rank(), size);
      writer.add("optimizer", "whole", at::ones({50}));  // rank 0's as a whole
      writer.commit(world.rank() == 0 ? meta : nlohmann::json());
      EXPECT_EQ(testing::names_in(folder / "together"), files);  // it is there when commit() returns, whoever asks
    });
    ASSERT_EQ(testing::names_in(folder.path()), (std::set<std::string>{"alone", "together"}));
    for (const std::string& file : files) {
      EXPECT_EQ(read_file(folder / "together" / file), read_file(folder / "alone" / file)) << file << ", " << size;
    }
    Checkpoint::open(folder / "together").verify();
  }
}

TEST(ParallelCheckpoint, AnyCutReadsWhatAnyOtherWrote) {
  const testing::TemporaryFolder folder;
  const std::vector<CutTensor> tensors = cut_tensors();
  run_ranks(3, [&](Communicator& world) {
    CheckpointWriter writer(world, folder / "c");
    add_slices(writer, tensors, world.rank(), 3);
    writer.commit({});
  });
  const Checkpoint checkpoint = Checkpoint::open(folder / "c");
  for (const CutTensor& tensor : tensors) {
    for (const CutTensor& cut : tensors) {
      if (cut.value.numel() != tensor.value.numel()) continue;
      for (int rank = 0; rank < 4; ++rank) {
        const Slice slice = slice_of({tensor.name, tensor.value, cut.owner}, rank, 4);
        const at::Tensor local = at::zeros_like(slice.local);
        checkpoint.read_runs("model", tensor.name, local, slice.runs);
        EXPECT_TRUE(same_bits(local, slice.local)) << tensor.name << " by " << cut.name << ", rank " << rank;
      }
    }
  }
}

TEST(ParallelCheckpoint, ReadingConvertsBetweenFloatingPointTypes) {
  const testing::TemporaryFolder folder;
  const at::Tensor values = at::linspace(-3.0, 3.0, 600'000, at::kDouble);  // more than is converted at a time
  const std::vector<at::ScalarType> types = {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16};
  CheckpointWriter writer(folder / "c");
  for (const at::ScalarType type : types) writer.add("model", c10::toString(type), values.to(type));
  writer.add("model", "counts", at::arange(4));
  writer.commit({});
  const Checkpoint checkpoint = Checkpoint::open(folder / "c");
  for (const at::ScalarType from : types) {
    for (const at::ScalarType to : types) {
      const at::Tensor whole = at::empty({600'000}, to), part = at::full({5, 4}, 9.0, to);
      checkpoint.read_runs("model", c10::toString(from), whole, {{0, 0, 600'000}});
      EXPECT_TRUE(same_bits(whole, values.to(from).to(to))) << from << " to " << to;
      // Out of order, with gaps: what no run names stays as it is.
      checkpoint.read_runs("model", c10::toString(from), part, {{12, 100, 4}, {2, 500'000, 3}, {5, 20, 2}});
      const at::Tensor expected = at::full({20}, 9.0, to);
      expected.narrow(0, 12, 4).copy_(whole.narrow(0, 100, 4));
      expected.narrow(0, 2, 3).copy_(whole.narrow(0, 500'000, 3));
      expected.narrow(0, 5, 2).copy_(whole.narrow(0, 20, 2));
      EXPECT_TRUE(same_bits(part.view({20}), expected)) << from << " to " << to;
    }
  }
  EXPECT_THAT(message_of([&] {
                checkpoint.read_runs("model", "counts", at::empty({4}), {{0, 0, 4}});
              }),
              HasSubstr("'counts' holds I64, which cannot be read as Float"));
}

TEST(ParallelCheckpoint, ReadsBytesThatAreNotAligned) {
  const at::Tensor values = at::arange(5, at::kDouble), local = at::empty({5}, at::kFloat);
  std::vector<std::byte> bytes(1 + values.nbytes());
  std::memcpy(bytes.data() + 1, values.const_data_ptr(), values.nbytes());
  const TensorSpec spec = spec_of("w", values);
  copy_runs({std::span<const std::byte>(bytes).subspan(1), spec}, local, {{0, 0, 5}});
  EXPECT_TRUE(at::equal(local, values.to(at::kFloat)));
}

TEST(ParallelCheckpoint, ReadingRefusesRunsOutsideEitherTensor) {
  const testing::TemporaryFolder folder;
  CheckpointWriter writer(folder / "c");
  writer.add("model", "w", at::arange(10));
  EXPECT_THAT(message_of([&] {
                writer.add_part("model", {"v", Dtype::kF32, {10}}, {}, {{0, 8, 3}});
              }),
              HasSubstr("'v': a run of 3 elements from 8 does not lie within 10 elements"));
  writer.commit({});
  const Checkpoint checkpoint = Checkpoint::open(folder / "c");
  const at::Tensor local = at::empty({4}, at::kLong);
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
  for (const auto& run :
       Runs{{0, 7, 4}, {1, 0, 4}, {-1, 0, 1}, {0, -1, 1}, {0, 0, -1}, {0, 11, 0}, {0, 1, kHuge}, {kHuge, 0, 1}}) {
    EXPECT_THAT(message_of([&] { checkpoint.read_runs("model", "w", local, {run}); }),
                HasSubstr("does not lie within"));
  }
  EXPECT_THAT(message_of([&] {
                checkpoint.read_runs("model", "w", at::empty({4, 2}, at::kLong).t(), {{0, 0, 4}});
              }),
              HasSubstr("not contiguous"));
}

/// Three members write "w" [12] by `runs`, over an older checkpoint; what each of them is told.
std::vector<std::string> messages_for_runs(const testing::TemporaryFolder& folder, const std::vector<Runs>& runs) {
  CheckpointWriter older(folder / "c");
  older.add("model", "w", at::full({12}, 5.0));
  older.commit({});
  std::vector<std::string> messages = messages_of(3, [&](Communicator& world) {
    CheckpointWriter writer(world, folder / "c");
    writer.add("model", "other", at::ones({3}));
    writer.add_part(
        "model", {"w", Dtype::kF32, {12}}, [] { return at::zeros({12}); },
        runs.at(static_cast<std::size_t>(world.rank())));
    writer.commit({});
  });
  EXPECT_EQ(testing::names_in(folder.path()), std::set<std::string>{"c"});
  return messages;
}

TEST(ParallelCheckpoint, EveryElementIsWrittenOnceOrThereIsNoCheckpoint) {
  const testing::TemporaryFolder folder;
  const polymoe::Run first{0, 0, 4}, second{0, 4, 4}, third{0, 8, 4};
  const std::string too_few = "'w': the processes together hold 8 elements to write, the tensor has 12";
  const std::string too_many = "hold 16 elements to write, the tensor has 12";
  const std::string doubled = "'w': some of its elements would be written twice and others by no process";
  EXPECT_THAT(messages_for_runs(folder, {{first}, {second}, {}}), Each(HasSubstr(too_few)));
  EXPECT_THAT(messages_for_runs(folder, {{first}, {second, third}, {second}}), Each(HasSubstr(too_many)));
  // As many elements as it takes, but not the right ones.
  EXPECT_THAT(messages_for_runs(folder, {{first}, {second}, {second}}), Each(HasSubstr(doubled)));
  EXPECT_THAT(messages_for_runs(folder, {{{0, 3, 6}}, {{0, 3, 6}}, {}}), Each(HasSubstr(doubled)));
  EXPECT_THAT(messages_for_runs(folder, {{first, first}, {}, {third}}), Each(HasSubstr(doubled)));
  EXPECT_THAT(messages_for_runs(folder, {{{0, 0, 5}}, {{0, 4, 4}}, {{0, 9, 3}}}), Each(HasSubstr(doubled)));
  EXPECT_TRUE(at::equal(Checkpoint::open(folder / "c").read("model", "w"), at::full({12}, 5.0)));

  EXPECT_THAT(messages_for_runs(folder, {{third}, {first, second}, {}}), Each(std::string("no error")));
  EXPECT_TRUE(at::equal(Checkpoint::open(folder / "c").read("model", "w"), at::zeros({12})));
}

TEST(ParallelCheckpoint, MembersMustAgreeOnTheTensors) {
  const testing::TemporaryFolder folder;
  const auto differ = [&](const std::function<TensorSpec(int)>& spec) {
    return messages_of(3, [&](Communicator& world) {
      CheckpointWriter writer(world, folder / "c");
      writer.add("model", spec(world.rank()), [] { return at::zeros({4}); });
      writer.commit({});
    });
  };
  const auto message = HasSubstr("ranks 0 and 2 of group 'world' were given different tensors");
  EXPECT_THAT(differ([](int rank) { return TensorSpec{rank == 2 ? "b" : "a", Dtype::kF32, {4}}; }), Each(message));
  EXPECT_THAT(differ([](int rank) {
                return TensorSpec{"a", rank == 2 ? Dtype::kI32 : Dtype::kF32, {4}};
              }),
              Each(message));
  EXPECT_THAT(differ([](int rank) { return TensorSpec{"a", Dtype::kF32, {rank == 2 ? 5 : 4}}; }), Each(message));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(ParallelCheckpoint, WhereOneMemberFailsAllDo) {
  const testing::TemporaryFolder folder;
  const std::vector<CutTensor> tensors = cut_tensors();
  run_ranks(4, [&](Communicator& world) {
    CheckpointWriter writer(world, folder / "c");
    add_slices(writer, tensors, world.rank(), 4);
    writer.commit({});
  });
  const std::string before = read_file(folder / "c" / "index.json");
  const auto fail_with = [&](const std::function<at::Tensor()>& make) {
    return messages_of(4, [&](Communicator& world) {
      CheckpointWriter writer(world, folder / "c", 500);
      add_slices(writer, tensors, world.rank(), 4);
      const bool is_third = world.rank() == 2;
      writer.add_part("model", {"z", Dtype::kI32, {9}}, make, is_third ? Runs{{0, 0, 9}} : Runs{});
      writer.commit({});
    });
  };
  EXPECT_THAT(fail_with([]() -> at::Tensor { throw std::runtime_error("the disk of the moments is gone"); }),
              Each(HasSubstr("the disk of the moments is gone")));
  EXPECT_THAT(fail_with([] { return at::zeros({9}); }), Each(HasSubstr("'z' is not of the declared type")));
  EXPECT_THAT(fail_with([] { return at::zeros({8}, at::kInt); }), Each(HasSubstr("does not lie within 8 elements")));
  EXPECT_EQ(testing::names_in(folder.path()), std::set<std::string>{"c"});
  EXPECT_EQ(read_file(folder / "c" / "index.json"), before);
  Checkpoint::open(folder / "c").verify();
}

constexpr std::int64_t kLargeElements = 900;

/// In a process of its own, three members write "large" [kLargeElements], a third each, and "small" over `path`. No
/// file may grow over `limit` bytes. Exits with 0 when all members succeeded, 1 when all were told of the limit.
int write_in_child(const fs::path& path, const std::function<void(int)>& before_write = {},
                   rlim_t limit = RLIM_INFINITY) {
  return in_child([&] {
    signal(SIGXFSZ, SIG_IGN);  // so that writing past the limit fails with EFBIG
    const rlimit no_more{limit, limit};
    setrlimit(RLIMIT_FSIZE, &no_more);
    const std::vector<std::string> messages = messages_of(3, [&](Communicator& world) {
      CheckpointWriter writer(world, path, 1000);
      const int rank = world.rank();
      const std::int64_t begin = kLargeElements * rank / 3, count = kLargeElements / 3;
      const auto make = [=] {
        if (before_write) before_write(rank);
        return at::ones({count});
      };
      writer.add_part("model", {"large", Dtype::kF32, {kLargeElements}}, make, {{0, begin, count}});
      writer.add("model", "small", at::ones({1}));
      writer.commit({});
    });
    for (const std::string& message : messages) {
      if (message != messages[0]) return 3;
    }
    return messages[0] == "no error" ? 0 : messages[0].find("disk full") != std::string::npos ? 1 : 2;
  });
}

TEST(ParallelCheckpoint, AFullDiskEndsAllMembersAndLeavesTheOldCheckpoint) {
  const testing::TemporaryFolder folder;
  ASSERT_EQ(write_in_child(folder / "c"), 0);
  const std::string before = read_file(folder / "c" / "index.json");
  for (const rlim_t limit : {rlim_t{50}, rlim_t{2000}}) {
    const int status = write_in_child(folder / "c", {}, limit);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 1);
  }
  EXPECT_EQ(testing::names_in(folder.path()), std::set<std::string>{"c"});
  EXPECT_EQ(read_file(folder / "c" / "index.json"), before);
  Checkpoint::open(folder / "c").verify();
}

TEST(ParallelCheckpoint, AKillWhileAllWriteLeavesTheOldCheckpoint) {
  const testing::TemporaryFolder folder;
  ASSERT_EQ(write_in_child(folder / "checkpoint-best"), 0);
  for (int victim = 0; victim < 3; ++victim) {
    const int status = write_in_child(folder / "checkpoint-best", [=](int rank) {
      if (rank == victim) raise(SIGKILL);
    });
    ASSERT_TRUE(WIFSIGNALED(status));
  }
  EXPECT_EQ(testing::names_in(folder.path()).size(), 2u) << "a writer clears away what the one before left";
  prune_checkpoints(folder.path(), 1);
  ASSERT_EQ(testing::names_in(folder.path()), std::set<std::string>{"checkpoint-best"});
  const Checkpoint checkpoint = Checkpoint::open(folder / "checkpoint-best");
  checkpoint.verify();
  EXPECT_TRUE(at::equal(checkpoint.read("model", "large"), at::ones({kLargeElements})));
}

}  // namespace
}  // namespace polymoe
