#include "polymoe/base/remarks.h"

#include <atomic>
#include <mutex>
#include <set>

#include "polymoe/base/log.h"

namespace polymoe {
namespace {

std::atomic<bool> strict{false};

struct Told {
  std::mutex mutex;
  std::set<std::string> texts;
};

Told& told() {
  static Told instance;
  return instance;
}

/// Whether a remark comes for the first time. Bounded, so that no stream of different ones can fill the memory.
bool is_new(const std::string& text) {
  constexpr std::size_t kMost = 10'000;
  const std::lock_guard lock(told().mutex);
  if (told().texts.size() >= kMost) return !told().texts.contains(text);
  return told().texts.insert(text).second;
}

}  // namespace

void set_strict(bool is_on) {
  strict = is_on;
  const std::lock_guard lock(told().mutex);
  told().texts.clear();
}

bool is_strict() { return strict; }

void remark(const std::string& message, const Where& where, const std::string& remedy) {
  if (strict) throw Error(message + " (an error with --strict)", where, remedy);
  const std::string text = Error(message, where, remedy).what();
  if (is_new(text)) log_warning("{}", text);
}

void RemarkTally::add(const std::string& message, const Where& where, const std::string& remedy) {
  ++count_;
  if (count_ <= kTold) remark(message, where, remedy);
}

void RemarkTally::finish() const {
  if (count_ > 0) log_warning("{}: {}", kind_, count_);
}

}  // namespace polymoe
