#include "polymoe/cli/output_file.h"

#include <string>

#include <fmt/format.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/base/remarks.h"

namespace polymoe::cli {

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
