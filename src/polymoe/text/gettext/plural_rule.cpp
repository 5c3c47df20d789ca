#include "polymoe/text/gettext/plural_rule.h"

#include <array>
#include <charconv>
#include <optional>

namespace polymoe {
namespace {

/// Evaluates the C subset of plural expressions while reading it: n, numbers, ! * / % + - < <= > >= == != && || ?: ( ).
/// Both sides of a branch are evaluated; a division by zero counts as 0, so that the branch not taken does no harm.
class Evaluator {
 public:
  Evaluator(std::string_view text, unsigned long n) : text_(text), n_(n) {}

  /// Nothing for malformed text.
  std::optional<unsigned long> run() {
    const unsigned long value = ternary();
    skip_spaces();
    return failed_ || at_ != text_.size() ? std::nullopt : std::optional(value);
  }

 private:
  struct Operator {
    std::string_view sign;
    int precedence;  // higher binds tighter
  };
  // Longer signs first, so that "<=" is not read as "<".
  static constexpr std::array<Operator, 13> kOperators = {{{"||", 1},
                                                           {"&&", 2},
                                                           {"==", 3},
                                                           {"!=", 3},
                                                           {"<=", 4},
                                                           {">=", 4},
                                                           {"<", 4},
                                                           {">", 4},
                                                           {"+", 5},
                                                           {"-", 5},
                                                           {"*", 6},
                                                           {"/", 6},
                                                           {"%", 6}}};

  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }

  bool take(std::string_view sign) {
    skip_spaces();
    if (!text_.substr(at_).starts_with(sign)) return false;
    at_ += sign.size();
    return true;
  }

  unsigned long fail() {
    failed_ = true;
    at_ = text_.size();
    return 0;
  }

  unsigned long ternary() {
    constexpr int kDeepest = 64;  // real rules nest fewer than ten levels
    if (++depth_ > kDeepest) return fail();
    unsigned long value = binary(1);
    if (take("?")) {
      const unsigned long if_true = ternary();
      if (!take(":")) return fail();
      const unsigned long if_false = ternary();
      value = value != 0 ? if_true : if_false;
    }
    --depth_;
    return value;
  }

  unsigned long binary(int lowest) {
    unsigned long left = unary();
    for (;;) {
      skip_spaces();
      const Operator* found = nullptr;
      for (const Operator& candidate : kOperators) {
        if (found == nullptr && text_.substr(at_).starts_with(candidate.sign)) found = &candidate;
      }
      if (found == nullptr || found->precedence < lowest) return left;
      at_ += found->sign.size();
      left = apply(found->sign, left, binary(found->precedence + 1));
    }
  }

  static unsigned long apply(std::string_view sign, unsigned long left, unsigned long right) {
    if (sign == "||") return left != 0 || right != 0;
    if (sign == "&&") return left != 0 && right != 0;
    if (sign == "==") return left == right;
    if (sign == "!=") return left != right;
    if (sign == "<=") return left <= right;
    if (sign == ">=") return left >= right;
    if (sign == "<") return left < right;
    if (sign == ">") return left > right;
    if (sign == "+") return left + right;
    if (sign == "-") return left - right;
    if (sign == "*") return left * right;
    if (right == 0) return 0;
    return sign == "/" ? left / right : left % right;
  }

  unsigned long unary() {
    bool negate = false, any = false;
    while (take("!")) negate = !negate, any = true;
    const unsigned long value = primary();
    return any ? (value != 0) != negate : value;
  }

  unsigned long primary() {
    if (take("n")) return n_;
    if (take("(")) {
      const unsigned long value = ternary();
      return take(")") ? value : fail();
    }
    unsigned long value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) return fail();
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }

  std::string_view text_;
  unsigned long n_;
  std::size_t at_ = 0;
  int depth_ = 0;
  bool failed_ = false;
};

/// What stands between `key` and the next ';'.
std::string_view value_of(std::string_view line, std::string_view key) {
  const std::size_t begin = line.find(key);
  if (begin == std::string_view::npos) return {};
  const std::string_view rest = line.substr(begin + key.size());
  return rest.substr(0, rest.find(';'));
}

}  // namespace

PluralRule::PluralRule(std::string_view line) {
  std::string_view forms_text = value_of(line, "nplurals=");
  while (forms_text.starts_with(' ')) forms_text.remove_prefix(1);
  std::size_t forms = 0;
  std::from_chars(forms_text.data(), forms_text.data() + forms_text.size(), forms);
  const std::string_view expression = value_of(line, "plural=");
  constexpr std::size_t kMostForms = 16, kLongestExpression = 1000;
  if (forms < 1 || forms > kMostForms || expression.size() > kLongestExpression) return;
  if (!Evaluator(expression, 1).run()) return;
  forms_ = forms;
  expression_ = expression;
  is_read_ = true;
}

std::size_t PluralRule::form_of(unsigned long n) const {
  const std::size_t form = Evaluator(expression_, n).run().value_or(0);
  return form < forms_ ? form : forms_ - 1;
}

}  // namespace polymoe
