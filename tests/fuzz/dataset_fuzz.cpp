// A dataset folder of which one file is any bytes: an Error, or a dataset all of whose lines read as ids of the
// vocabulary. The first byte of the input chooses the file: its description (0), ids (1) or kept text (2). The
// checksums of ids are put right, or nothing else in them would ever be reached.

#include <cstring>
#include <map>
#include <vector>

#include "fuzz/scratch.h"
#include "polymoe/base/files.h"
#include "polymoe/data/dataset.h"
#include "unit/data/test_data.h"

namespace {

using namespace polymoe;
namespace fs = std::filesystem;

/// The names of the files that an input may replace, and the whole folder beside it.
struct Folder {
  fs::path path;
  std::vector<fs::path> files;
  std::vector<std::string> contents;

  Folder() {
    static const testing::TemporaryFolder folder;
    const auto rows = testing::invented_rows(4);
    CorpusSpec valid = testing::write_corpus(folder, "talks", "valid", {"de", "en", "fr"}, rows);
    CorpusSpec task = testing::write_corpus(folder, "sums", "train", {"de", "en"}, {{rows[0][0], rows[0][1]}});
    task.task = "sum";
    std::vector<std::string> sentences;
    for (std::uint64_t i = 0; i < 200; ++i) sentences.push_back(testing::invented_sentence("en", i));
    VocabularyOptions vocabulary;
    vocabulary.size = 100;
    vocabulary.normalization = "identity";
    vocabulary.tasks = {kDenoisingTag, "sum"};
    PrepareOptions options;
    options.vocabulary =
        folder.write("vocab.model", train_vocabulary(vocabulary, testing::test_languages(), sentences));
    options.corpora = {valid, task};
    options.out = path = folder / "data";
    options.threads = 1;
    prepare(options);
    for (const char* const name : {"dataset.json", "talks/valid.en.ids", "talks/valid.en.txt.gz"}) {
      files.push_back(path / name);
      contents.push_back(read_file(files.back()));
    }
  }
};

void put_number(std::string& bytes, std::size_t place, std::uint32_t number) {
  std::memcpy(bytes.data() + place, &number, sizeof(number));
}

/// The header's checksums, where docs/data.md has them.
void mend_checksums(std::string& ids) {
  constexpr std::size_t kHeader = 64, kIdBytes = 12, kTokens = 24, kOffsetsChecksum = 40, kHeaderChecksum = 60;
  if (ids.size() < kHeader) return;
  std::uint32_t id_bytes = 0;
  std::uint64_t tokens = 0;
  std::memcpy(&id_bytes, ids.data() + kIdBytes, sizeof(id_bytes));
  std::memcpy(&tokens, ids.data() + kTokens, sizeof(tokens));
  const std::span<const std::byte> bytes = std::as_bytes(std::span(ids));
  const std::uint64_t offsets = kHeader + (tokens % ids.size() * (id_bytes % 8) + 7) / 8 * 8;
  if (offsets < ids.size()) put_number(ids, kOffsetsChecksum, crc32_of(bytes.subspan(offsets)));
  put_number(ids, kHeaderChecksum, crc32_of(bytes.first(kHeaderChecksum)));
}

void use(const Dataset& dataset) {
  for (const std::string& split : dataset.splits()) {
    dataset.directions(split);
    dataset.task_directions("sum", split);
  }
  for (const Dataset::Corpus& corpus : dataset.corpora()) {
    for (const auto& [split, part] : corpus.splits) {
      for (const auto& [column, file] : part.languages) {
        require(file.lines() == part.lines);
        for (std::uint64_t line = 0; line < file.lines(); ++line) {
          std::vector<std::int32_t> ids;
          if (!loads([&, &file = file] { file.read(line, ids); })) continue;
          for (const std::int32_t id : ids) require(id >= 0 && id < dataset.vocabulary().size());
        }
        std::vector<std::string> texts;
        if (loads([&, &split = split, &column = column] { texts = dataset.texts(corpus.name, split, column); })) {
          require(texts.size() == part.lines);
        }
      }
    }
  }
  loads([&] { dataset.verify(); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Folder folder;
  if (size == 0) return 0;
  const std::size_t choice = data[0] % folder.files.size();
  std::string content(text_of(data + 1, size - 1));
  if (choice == 1) mend_checksums(content);
  put_file(folder.files[choice], content);
  loads([&] { use(Dataset(folder.path)); });
  put_file(folder.files[choice], folder.contents[choice]);
  return 0;
}
