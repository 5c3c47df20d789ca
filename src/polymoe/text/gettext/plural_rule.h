#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace polymoe {

/// The Plural-Forms line of a gettext catalogue: how many plural forms a language has, and a C expression of `n` that
/// says which form goes with the number n.
class PluralRule {
 public:
  /// The rule of Germanic languages: two forms, the first for 1.
  PluralRule() = default;

  /// Reads the line's value, e.g. "nplurals=2; plural=(n != 1);". What cannot be understood gives the Germanic rule.
  explicit PluralRule(std::string_view line);

  /// Whether it is what a line said.
  bool is_read() const { return is_read_; }

  std::size_t forms() const { return forms_; }
  /// The form for the number n, below forms().
  std::size_t form_of(unsigned long n) const;

 private:
  std::size_t forms_ = 2;
  std::string expression_ = "n!=1";
  bool is_read_ = false;
};

}  // namespace polymoe
