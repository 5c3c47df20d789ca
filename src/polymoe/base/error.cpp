#include "polymoe/base/error.h"

#include <cerrno>
#include <cstring>

#include "polymoe/base/quote.h"

namespace polymoe {
namespace {

std::string compose(const std::string& message, const Where& where, const std::string& remedy) {
  std::string line;
  if (!where.path.empty()) {
    line = where.path;
    if (where.line > 0) line += fmt::format(":{}", where.line);
    line += ": ";
  }
  line += message;
  if (!remedy.empty()) line += "; " + remedy;
  return one_line(line);  // names from files may hold anything
}

}  // namespace

Error::Error(const std::string& message, const Where& where, const std::string& remedy)
    : std::runtime_error(compose(message, where, remedy)), message_(message), where_(where), remedy_(remedy) {}

Error::~Error() = default;

void fail_errno(std::string_view message, const std::string& path, const std::string& remedy) {
  const int code = errno;
  throw Error(fmt::format("{}: {}", message, std::strerror(code)), {path, 0}, remedy);
}

}  // namespace polymoe
