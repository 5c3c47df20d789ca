#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "polymoe/base/error.h"
#include "polymoe/config/words.h"

namespace polymoe {

/// Ranges end here: a bound that is farther is none.
constexpr double kUnbounded = 1e15;

/// An option that is an enum, by the words of its values.
struct EnumTarget {
  std::function<std::string()> get;
  std::function<void(const std::string&)> set;  ///< one of the words

  template <typename Enum>
  static EnumTarget of(Enum& value) {
    return {[&value] { return word_of(value); }, [&value](const std::string& word) { value = from_word<Enum>(word); }};
  }
};

/// One option of a struct: the single source of its config key, its command-line name, its help and its place.
struct Field {
  using Target = std::variant<bool*, std::int64_t*, double*, std::string*, std::vector<std::string>*,
                              std::vector<std::int64_t>*, EnumTarget>;

  std::string key;                   ///< kebab-case, e.g. "label-smoothing"
  Target target;                     ///< where the value lives; its present value is the default
  std::string help;                  ///< one line
  std::vector<std::string> choices;  ///< the allowed words of a string or an enum; empty: any
  double low = -kUnbounded;          ///< smallest allowed number, of a list too
  double high = kUnbounded;          ///< largest allowed number
  std::string former_key = {};       ///< its key in older versions, which is still taken, with a remark
};

/// The options of one section of the configuration, in the order of help and dump.
struct Section {
  std::string name;  ///< e.g. "model", "model.moe"
  std::string help;
  std::vector<Field> fields;
};

/// The full keys ("model.hidden") that a file or the command line gave, and where.
using GivenKeys = std::map<std::string, Where>;

}  // namespace polymoe
