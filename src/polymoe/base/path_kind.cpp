#include "polymoe/base/path_kind.h"

#include <system_error>

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

fs::file_status status_of(const fs::path& path) {
  std::error_code code;
  const fs::file_status status = fs::status(path, code);
  if (status.type() == fs::file_type::not_found || code == std::errc::filename_too_long) {
    return fs::file_status(fs::file_type::not_found);
  }
  if (status.type() == fs::file_type::none) throw Error("cannot be looked at: " + code.message(), {path, 0});
  return status;
}

}  // namespace

bool path_exists(const fs::path& path) { return fs::exists(status_of(path)); }
bool is_folder(const fs::path& path) { return fs::is_directory(status_of(path)); }
bool is_plain_file(const fs::path& path) { return fs::is_regular_file(status_of(path)); }

}  // namespace polymoe
