#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/serve/batcher.h"

namespace polymoe {

/// A model as the server uses it. translate() is called from one thread at a time.
class ServedModel {
 public:
  virtual ~ServedModel() = default;

  virtual const std::string& name() const = 0;
  virtual const std::vector<std::string>& languages() const = 0;
  /// Whether it may be of use in a direction: was trained for it, as far as that is known. Not for languages that it
  /// does not know.
  virtual bool serves(const std::string& source, const std::string& target) const = 0;
  virtual std::vector<LineAnswer> translate(const BatchKey& key, const std::vector<std::string>& lines) = 0;
};

/// A direction of one of the models.
struct Route {
  Batcher* batcher = nullptr;
  std::string source;  ///< as the model names the languages
  std::string target;
};

/// The models of a server, each with its own queue and thread. Lives as long as a request uses it; another set takes
/// its place when models are loaded again.
class ModelSet {
 public:
  ModelSet(std::vector<std::unique_ptr<ServedModel>> models, const BatchOptions& options);

  /// The first model that serves a direction, or the one of the name. Languages may have other usual names ("pt-BR",
  /// "zh-Hans"). Throws ApiError (400) where there is none.
  Route find(std::string_view source, std::string_view target, std::string_view name) const;

  /// A language of any of the models by one of its names; "" where there is none.
  std::string language_named(std::string_view name) const;

  /// The languages of all models, sorted, and the targets of each.
  struct Language {
    std::string code;
    std::vector<std::string> targets;
  };
  std::vector<Language> languages() const;

  std::vector<std::string> names() const;
  /// Lines that wait, by model, in the order of names().
  std::vector<std::size_t> queued() const;

 private:
  struct Entry {
    std::unique_ptr<ServedModel> model;
    std::unique_ptr<Batcher> batcher;  // ends before the model does
  };
  std::vector<Entry> entries_;
};

}  // namespace polymoe
