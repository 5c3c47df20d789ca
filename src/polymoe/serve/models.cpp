#include "polymoe/serve/models.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/core.h>

#include "polymoe/base/quote.h"
#include "polymoe/serve/api_error.h"
#include "polymoe/text/known_names.h"
#include "polymoe/text/language_names.h"

namespace polymoe {
ModelSet::ModelSet(std::vector<std::unique_ptr<ServedModel>> models, const BatchOptions& options) {
  for (std::unique_ptr<ServedModel>& model : models) {
    ServedModel* const served = model.get();
    auto batcher = std::make_unique<Batcher>(
        options,
        [served](const BatchKey& key, const std::vector<std::string>& lines) { return served->translate(key, lines); });
    entries_.push_back({std::move(model), std::move(batcher)});
  }
}

Route ModelSet::find(std::string_view source, std::string_view target, std::string_view name) const {
  bool known_name = name.empty();
  for (const Entry& entry : entries_) {
    if (!name.empty() && entry.model->name() != name) continue;
    known_name = true;
    Route route{entry.batcher.get(), find_language(source, entry.model->languages()),
                find_language(target, entry.model->languages())};
    if (!route.source.empty() && !route.target.empty() && entry.model->serves(route.source, route.target)) return route;
  }
  if (!known_name) {
    throw ApiError(kBadRequest, fmt::format("there is no model {}; {}", in_quotes(name), known_names(name, names())));
  }
  for (const std::string_view language : {source, target}) {
    if (!language_named(language).empty()) continue;
    std::vector<std::string> codes;
    for (const Language& known : languages()) codes.push_back(known.code);
    throw ApiError(kBadRequest,
                   fmt::format("{} is not supported; {}", in_quotes(language), known_names(language, codes)));
  }
  throw ApiError(kBadRequest, fmt::format("no model translates from {} to {}", in_quotes(source), in_quotes(target)));
}

std::string ModelSet::language_named(std::string_view name) const {
  for (const Entry& entry : entries_) {
    if (std::string code = find_language(name, entry.model->languages()); !code.empty()) return code;
  }
  return "";
}

std::vector<ModelSet::Language> ModelSet::languages() const {
  std::set<std::string> codes;
  for (const Entry& entry : entries_) codes.insert(entry.model->languages().begin(), entry.model->languages().end());
  std::vector<Language> languages;
  for (const std::string& source : codes) {
    Language language{source, {}};
    for (const std::string& target : codes) {
      const bool served = std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
        return source != target && entry.model->serves(source, target);
      });
      if (served) language.targets.push_back(target);
    }
    languages.push_back(std::move(language));
  }
  return languages;
}

std::vector<std::string> ModelSet::names() const {
  std::vector<std::string> names;
  for (const Entry& entry : entries_) names.push_back(entry.model->name());
  return names;
}

std::vector<std::size_t> ModelSet::queued() const {
  std::vector<std::size_t> queued;
  for (const Entry& entry : entries_) queued.push_back(entry.batcher->queued());
  return queued;
}

}  // namespace polymoe
