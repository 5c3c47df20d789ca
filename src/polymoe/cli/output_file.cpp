#include "polymoe/cli/output_file.h"

#include <cstdio>
#include <string>

#include <fmt/format.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/gzip_writer.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/base/remarks.h"

namespace polymoe::cli {

Output::Output(const std::string& path) {
  if (path == "-") return;
  if (path.ends_with(".gz")) {
    packed_ = std::make_unique<GzipWriter>(path);
  } else {
    file_ = std::make_unique<AtomicFile>(path);
  }
}

Output::~Output() = default;

void Output::write(const std::string& text) {
  if (file_) return file_->write(text);
  if (packed_) return packed_->write(text);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Output::finish() {
  if (file_) file_->commit();
  if (packed_) packed_->commit();
}

void check_output_file(const std::filesystem::path& path, const char* what,
                       const std::function<bool(std::string_view beginning)>& is_one) {
  if (!path_exists(path)) return;
  const bool is_file = is_plain_file(path);
  if (!is_file || !is_one(LineReader(path).beginning())) {
    throw Error(fmt::format("is there already and is not {}", what), {path, 0}, "choose another name for the result");
  }
  remark(fmt::format("{} made before, which is replaced", what), {path, 0});
}

}  // namespace polymoe::cli
