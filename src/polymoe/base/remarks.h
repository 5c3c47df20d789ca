#pragma once

#include <cstdint>
#include <string>

#include "polymoe/base/error.h"

/// Whatever is left out, cut, skipped, renamed or has no effect is told by a remark: a warning in the log or, where
/// strict, an Error.
namespace polymoe {

/// Makes an Error of every remark, or a warning again, and forgets what was told. Call before threads start.
void set_strict(bool strict);
bool is_strict();

/// Warns in the log, of the same only once; throws Error where strict.
void remark(const std::string& message, const Where& where = {}, const std::string& remedy = {});

/// Remarks of one kind, of which there may be thousands: the first few are told, all are counted.
class RemarkTally {
 public:
  /// `kind` stands before their number: "lines that were cut".
  explicit RemarkTally(std::string kind) : kind_(std::move(kind)) {}

  void add(const std::string& message, const Where& where = {}, const std::string& remedy = {});
  std::uint64_t count() const { return count_; }
  /// Tells how many there were in all, if any.
  void finish() const;

  static constexpr std::uint64_t kTold = 5;

 private:
  std::string kind_;
  std::uint64_t count_ = 0;
};

}  // namespace polymoe
