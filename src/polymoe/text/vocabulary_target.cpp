#include "polymoe/text/vocabulary_target.h"

#include <string>
#include <system_error>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/base/remarks.h"
#include "polymoe/text/vocabulary.h"

namespace polymoe {

namespace fs = std::filesystem;

namespace {

constexpr const char* kOtherFile = "give another file";

bool is_vocabulary(const fs::path& path) {
  try {
    Vocabulary::load(path);
  } catch (const Error&) {
    return false;
  }
  return true;
}

}  // namespace

void check_vocabulary_target(const fs::path& path, const std::vector<CorpusSpec>& corpora) {
  if (is_folder(path)) throw Error("is a folder, not a file", {path, 0}, "give the name of a file in it");
  const bool exists = path_exists(path);
  if (exists && !is_plain_file(path)) throw Error("is no file that can be replaced", {path, 0}, kOtherFile);
  for (const CorpusSpec& corpus : corpora) {
    for (const std::string& file : corpus.files) {
      std::error_code ignored;  // a file that is not there is told where it is read
      if (!fs::equivalent(file, path, ignored)) continue;
      throw Error("is read as a corpus, so it is left alone", {path, 0}, kOtherFile);
    }
  }
  const bool is_older = exists && !fs::is_empty(path);
  if (is_older && !is_vocabulary(path)) {
    throw Error("exists and is no vocabulary, so it is left alone", {path, 0}, kOtherFile);
  }
  { const AtomicFile unused(path); }  // throws where no file can be made there
  if (is_older) remark("an older vocabulary, which will be replaced", {path, 0});
}

}  // namespace polymoe
