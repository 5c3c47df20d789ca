#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace polymoe {
inline namespace v0 {

/// A place in a user's file. An empty path means "no place"; line 0 means "the file as a whole".
struct Where {
  std::string path;
  std::uint64_t line = 0;
};

/// A mistake of the user's or of the machine's (configuration, data, file, disk): what went wrong, where, and
/// what to do about it. what() is one line: "path:line: message; remedy". The library throws it for whatever a caller
/// can set right; any other exception tells of a lack of memory or of a defect.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, const Where& where = {}, const std::string& remedy = {});
  Error(const Error&) = default;
  Error& operator=(const Error&) = default;
  ~Error() override;

  const std::string& message() const { return message_; }
  const Where& where() const { return where_; }
  const std::string& remedy() const { return remedy_; }

 private:
  std::string message_;
  Where where_;
  std::string remedy_;
};

}  // namespace v0
}  // namespace polymoe
