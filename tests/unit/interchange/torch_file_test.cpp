#include "polymoe/interchange/torch_file.h"

#include <cstring>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/checkpoint/safetensors.h"
#include "polymoe/interchange/pickle.h"
#include "support/temporary_folder.h"

namespace polymoe {
namespace {

using ::testing::HasSubstr;

const std::filesystem::path kFiles = std::filesystem::path(POLYMOE_SOURCE_DIR) / "tests/data/interchange/torch";

std::string elements_of(const TorchFile::Tensor& tensor) {
  // Element by element, in rows, whatever the strides are.
  const std::size_t width = dtype_bytes(tensor.spec.dtype);
  std::string result;
  std::vector<std::int64_t> index(tensor.spec.shape.size(), 0);
  for (std::int64_t i = 0; i < num_elements(tensor.spec); ++i) {
    std::int64_t rest = i, place = 0;
    for (std::size_t dim = index.size(); dim-- > 0;) {
      place += rest % tensor.spec.shape[dim] * tensor.strides[dim];
      rest /= tensor.spec.shape[dim];
    }
    result.append(reinterpret_cast<const char*>(tensor.bytes.data()) + static_cast<std::size_t>(place) * width, width);
  }
  return result;
}

TEST(TorchFile, ReadsBothFormatsOfTorchSave) {
  const SafetensorsFile expected(kFiles / "expected.safetensors");
  for (const char* const name : {"archive.bin", "sequence.bin"}) {
    const TorchFile file(kFiles / name);
    EXPECT_EQ(file.others(), std::vector<std::string>{"version"});
    EXPECT_EQ(file.tensors().size(), expected.tensors().size());
    for (const TensorSpec& spec : expected.tensors()) {
      const TorchFile::Tensor& tensor = file.tensors().at(spec.name);
      EXPECT_EQ(tensor.spec, spec);
      const auto bytes = expected.bytes(spec.name);
      EXPECT_EQ(elements_of(tensor), std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()))
          << name << " " << spec.name;
    }
  }
}

std::string error_of_file(const std::string& content) {
  const testing::TemporaryFolder folder;
  try {
    TorchFile(folder.write("m.bin", content));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(TorchFile, RefusesEveryFileThatIsCutShort) {
  for (const char* const name : {"archive.bin", "sequence.bin"}) {
    const std::string whole = read_file(kFiles / name);
    EXPECT_EQ(error_of_file(whole), "");
    for (std::size_t size = 0; size < whole.size(); size += 61) {
      EXPECT_NE(error_of_file(whole.substr(0, size)), "") << name << " of " << size;
    }
  }
}

TEST(TorchFile, DamageIsAnErrorOrOtherValuesButNeverMore) {
  for (const char* const name : {"archive.bin", "sequence.bin"}) {
    const std::string whole = read_file(kFiles / name);
    for (std::size_t at = 0; at < whole.size(); at += 37) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
      error_of_file(damaged);  // sanitizers watch
    }
  }
}

std::string error_of_pickle(std::string_view pickle) {
  std::vector<std::string> others;
  try {
    read_state_dict(pickle, "m.bin", others);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Pickle, NothingIsRun) {
  // What pickle.dumps() makes of an object whose __reduce__ calls os.system("...").
  EXPECT_THAT(error_of_pickle("cposix\nsystem\n(X\x04\0\0\0truetR."),
              HasSubstr("it asks for 'posix system', which is no part of a tensor; nothing of it was run"));
  EXPECT_THAT(error_of_pickle("\x80\x04\x8c\x08"
                              "builtins\x8c\x04"
                              "eval\x93."),
              HasSubstr("'builtins eval'"));
  EXPECT_THAT(error_of_pickle("ctorch\nload\n."), HasSubstr("'torch load'"));
  EXPECT_THAT(error_of_pickle("ctorch\nFloatStorage\n)R."), HasSubstr("it asks to run 'torch FloatStorage'"));
  EXPECT_THAT(error_of_pickle("i__main__\nX\n."), HasSubstr("an instruction of code"));
}

TEST(Pickle, DamageIsAnError) {
  EXPECT_EQ(error_of_pickle("}."), "");
  EXPECT_THAT(error_of_pickle(""), HasSubstr("cut short"));
  EXPECT_THAT(error_of_pickle("."), HasSubstr("a value that is not there"));
  EXPECT_THAT(error_of_pickle("]."), HasSubstr("no dictionary"));
  EXPECT_THAT(error_of_pickle("h\x05."), HasSubstr("recalls a value"));
  EXPECT_THAT(error_of_pickle("}K\x01K\x02s."), HasSubstr("a name that is no text"));
  EXPECT_THAT(error_of_pickle("\x80\x09}."), HasSubstr("newer protocol"));
  EXPECT_THAT(error_of_pickle("X\xff\xff\xff\xff."), HasSubstr("cut short"));
  EXPECT_THAT(error_of_pickle("}(e."), HasSubstr("no list"));
  // Nesting of any depth, and a value in itself.
  EXPECT_THAT(error_of_pickle("}" + std::string(200'000, '\x85') + "."), HasSubstr("no dictionary"));
  EXPECT_THAT(error_of_pickle("]q\x01h\x01"
                              "a."),
              HasSubstr("no dictionary"));
  EXPECT_THAT(error_of_pickle("}" + std::string(5'000'000, 'N') + "."), HasSubstr("too many values"));
}

// A dictionary of one float32 tensor "w" in a storage of 10 elements.
std::string tensor_pickle(const std::string& type, const std::string& offset, const std::string& shape,
                          const std::string& strides) {
  using namespace std::string_literals;
  return "}X\x01\0\0\0w"s + "ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\n"s + type +
         "\nX\x01\0\0\0"
         "0X\x03\0\0\0cpuK\x0atQ"s +
         offset + shape + strides + "\x89}tRs."s;
}

TEST(Pickle, TensorsStayInTheirStorage) {
  using namespace std::string_literals;
  EXPECT_EQ(error_of_pickle(tensor_pickle("FloatStorage", "K\0"s, "K\x05K\x02\x86", "K\x02K\x01\x86")), "");
  EXPECT_EQ(error_of_pickle(tensor_pickle("FloatStorage", "K\x09", "K\x01\x85", "K\x01\x85")), "");
  EXPECT_THAT(error_of_pickle(tensor_pickle("FloatStorage", "K\x0a", "K\x01\x85", "K\x01\x85")),
              HasSubstr("'w' does not fit"));
  EXPECT_THAT(error_of_pickle(tensor_pickle("FloatStorage", "K\0"s, "K\x05K\x02\x86", "K\x03K\x01\x86")),
              HasSubstr("fit"));
  EXPECT_THAT(error_of_pickle(tensor_pickle("FloatStorage", "K\0"s, "K\x05\x85", "K\x02K\x01\x86")), HasSubstr("fit"));
  EXPECT_THAT(error_of_pickle(tensor_pickle("FloatStorage", "J\xff\xff\xff\xff", "K\x01\x85", "K\x01\x85")),
              HasSubstr("fit"));
  EXPECT_THAT(error_of_pickle(tensor_pickle("FloatStorage", "K\0"s,
                                            "J\xff\xff\xff\x7f"
                                            "J\xff\xff\xff\x7f\x86",
                                            "K\0K\0\x86"s)),
              HasSubstr("fit"))
      << "more elements than the storage has";
  EXPECT_THAT(error_of_pickle(tensor_pickle("ComplexFloatStorage", "K\0"s, "K\x01\x85", "K\x01\x85")),
              HasSubstr("of the type"));
}

}  // namespace
}  // namespace polymoe
