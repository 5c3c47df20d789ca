#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "polymoe/serve/models.h"

namespace polymoe::testing {

/// Writes "de:Hello" for "Hello", and "de:Hello (2)" for a second choice. "long" is too long for it, "endless" does not
/// end, it does not know "strange", and "bad" makes it fail.
class FakeModel : public ServedModel {
 public:
  explicit FakeModel(std::string name, std::vector<std::string> languages, std::function<void()> before = {},
                     std::string mark = ":")
      : name_(std::move(name)), languages_(std::move(languages)), before_(std::move(before)), mark_(std::move(mark)) {}

  const std::string& name() const override { return name_; }
  const std::vector<std::string>& languages() const override { return languages_; }
  bool serves(const std::string& source, const std::string& target) const override {
    const auto knows = [&](const std::string& code) {
      return std::find(languages_.begin(), languages_.end(), code) != languages_.end();
    };
    return source != target && source != "xx" && knows(source) && knows(target);
  }
  std::vector<LineAnswer> translate(const BatchKey& key, const std::vector<std::string>& lines) override {
    if (before_) before_();
    std::vector<LineAnswer> answers;
    for (const std::string& line : lines) {
      if (line == "bad") throw std::runtime_error("broken");
      LineAnswer answer{{}, line != "long", line != "endless", line == "strange" ? std::size_t{1} : 0};
      for (std::size_t i = 0; i < key.n_best; ++i) {
        answer.texts.push_back(key.target + mark_ + line + (i == 0 ? "" : " (" + std::to_string(i + 1) + ")"));
      }
      answers.push_back(std::move(answer));
    }
    return answers;
  }

 private:
  std::string name_;
  std::vector<std::string> languages_;
  std::function<void()> before_;
  std::string mark_;
};

inline std::shared_ptr<ModelSet> one_model(std::function<void()> before = {}, const BatchOptions& options = {},
                                           std::string mark = ":") {
  std::vector<std::unique_ptr<ServedModel>> models;
  models.push_back(std::make_unique<FakeModel>("fake", std::vector<std::string>{"de", "en", "fr", "pt_BR"},
                                               std::move(before), std::move(mark)));
  return std::make_shared<ModelSet>(std::move(models), options);
}

}  // namespace polymoe::testing
