#include "polymoe/data/layout.h"

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"

namespace polymoe {

std::string ids_name(const std::string& split, const std::string& column) { return split + "." + column + ".ids"; }
std::string text_name(const std::string& split, const std::string& column) { return split + "." + column + ".txt.gz"; }

std::string task_source_column(const std::string& language) { return "in." + language; }
std::string task_target_column(const std::string& language) { return "out." + language; }

bool keeps_text(const std::string& split) { return split != "train"; }

void check_path_part(const std::string& name, const std::filesystem::path& where) {
  if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos ||
      name.find('\0') != std::string::npos) {
    throw Error(fmt::format("{} cannot be a name of a corpus or split", in_quotes(name)), {where, 0},
                "use a name without '/' that does not start with '.'");
  }
}

}  // namespace polymoe
