#include "polymoe/checkpoint/vocabulary_file.h"

#include <cstdint>
#include <span>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/base/remarks.h"

namespace polymoe {

namespace fs = std::filesystem;

namespace {

constexpr const char* kVocabularyChecksum = "vocabulary_crc32";

std::uint32_t checksum_of(const std::string& content) { return crc32_of(std::as_bytes(std::span(content))); }

}  // namespace

std::optional<fs::path> find_vocabulary(const fs::path& checkpoint) {
  const fs::path beside = fs::absolute(checkpoint).lexically_normal();
  const fs::path folder = beside.has_filename() ? beside : beside.parent_path();
  for (const fs::path& place : {folder / "vocab.model", folder.parent_path() / "vocab.model"}) {
    if (path_exists(place)) return place;
  }
  return std::nullopt;
}

fs::path vocabulary_of(const fs::path& checkpoint) {
  if (std::optional<fs::path> found = find_vocabulary(checkpoint)) return *found;
  throw Error("there is no vocab.model in it or beside it", {checkpoint, 0}, "name the vocabulary (--vocab)");
}

nlohmann::json vocabulary_meta(const std::string& vocabulary) {
  return {{kVocabularyChecksum, checksum_of(vocabulary)}};
}

void check_vocabulary(const Checkpoint& checkpoint, const fs::path& vocabulary) {
  std::optional<std::uint32_t> trained;
  const auto found = checkpoint.meta().find(kVocabularyChecksum);
  if (found != checkpoint.meta().end() && found->is_number_unsigned()) {
    trained = found->get<std::uint32_t>();
  } else if (const std::optional<fs::path> own = find_vocabulary(checkpoint.path())) {
    trained = checksum_of(read_file(*own));
  }
  if (!trained) {
    remark(fmt::format("nothing tells whether it was trained with {}", vocabulary.string()), {checkpoint.path(), 0});
  } else if (*trained != checksum_of(read_file(vocabulary))) {
    throw Error(fmt::format("is not the vocabulary that {} was trained with", checkpoint.path().string()),
                {vocabulary, 0}, "use the vocab.model of that training, for its data too (polymoe prepare --vocab)");
  }
}

}  // namespace polymoe
