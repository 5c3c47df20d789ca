#include "polymoe/decode/translator.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <mutex>
#include <numeric>
#include <utility>

#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/config/data_options.h"
#include "polymoe/config/run_options.h"
#include "polymoe/data/task.h"
#include "polymoe/data/trained.h"
#include "polymoe/decode/forced.h"
#include "polymoe/inference/load.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/text/placeholders.h"
#include "polymoe/text/sentences.h"
#include "polymoe/text/unicode.h"

namespace polymoe {
namespace {

// The search's time grows with the square of their number; texts with more are only checked.
constexpr std::size_t kMostPlaceholders = 100;

// A sentence as the model reads it, with tags and marks, cut to what the model can take; `lost` tells of what it does
// not read.
std::vector<std::int32_t> make_source(const Vocabulary& vocabulary, const std::string& text, const Frame& frame,
                                      std::int32_t source_language, std::int64_t max_positions, LossySource& lost) {
  std::vector<std::int32_t> ids = frame.source_head;
  const std::size_t tags = ids.size();
  vocabulary.encode(text, source_language, ids);
  lost.tokens = ids.size() - tags;
  const auto text_begin = ids.begin() + static_cast<std::ptrdiff_t>(tags);
  lost.unknown = static_cast<std::size_t>(std::count(text_begin, ids.end(), vocabulary.unk()));
  const std::size_t longest = static_cast<std::size_t>(max_positions) - frame.source_tail.size();
  if (ids.size() > longest) ids.resize(longest);
  lost.read = ids.size() - tags;
  ids.insert(ids.end(), frame.source_tail.begin(), frame.source_tail.end());
  return ids;
}

// Where batches begin, of at most `max_tokens` each, and the number of works behind that. Works are sorted by beam,
// then from long to short: the first one of a batch sets its width. Hypotheses beyond `beam_size` take the room of
// sentences.
std::vector<std::size_t> batch_begins(const std::vector<SentenceWork*>& works, std::int64_t max_tokens,
                                      std::int64_t beam_size) {
  std::vector<std::size_t> begins{0};
  while (begins.back() < works.size()) {
    const std::size_t first = begins.back();
    const auto width = static_cast<std::int64_t>(works[first]->source.size());
    const std::int64_t beams = works[first]->beams;
    const auto room = static_cast<std::size_t>(std::max<std::int64_t>(1, max_tokens * beam_size / (width * beams)));
    std::size_t end = first;
    while (end < works.size() && end - first < room && works[end]->beams == beams) ++end;
    begins.push_back(end);
  }
  return begins;
}

// The tokens of a batch where `at_once` of them are searched at the same time: so many that each thread has two.
std::int64_t tokens_of_batch(const std::vector<SentenceWork*>& works, std::int64_t at_once, std::int64_t max_tokens) {
  if (at_once == 1) return max_tokens;
  std::int64_t tokens = 0;
  for (const SentenceWork* work : works) tokens += static_cast<std::int64_t>(work->source.size());
  return std::clamp<std::int64_t>(tokens / (2 * at_once), 1, max_tokens);
}

// A work as it would be without terms and placeholders to hold.
SentenceWork without_phrases(const SentenceWork& work, std::int64_t beams) {
  SentenceWork plain = work;
  plain.is_attempt = true;
  plain.demands.phrases.clear();
  plain.demands.banned.clear();
  plain.literals.clear();
  plain.beams = beams;
  return plain;
}

// Whether all of `translations` hold what `work` asks for.
bool hold_phrases(const std::vector<Translation>& translations, const SentenceWork& work, const Vocabulary& vocabulary,
                  std::int32_t language) {
  std::vector<Phrase> terms = work.demands.phrases;  // placeholders, whose texts are compared, stand behind them
  const auto is_literal = [](const std::string& literal) { return !literal.empty(); };
  if (!work.literals.empty()) {
    const auto first = std::find_if(work.literals.begin(), work.literals.end(), is_literal);
    terms.resize(static_cast<std::size_t>(first - work.literals.begin()));
  }
  return std::all_of(translations.begin(), translations.end(), [&](const Translation& translation) {
    PhraseProgress progress = begin_phrases(terms);
    std::vector<std::int32_t> read;
    for (const std::int32_t id : vocabulary.encode(translation.text, language)) {
      read.push_back(id);
      progress = continue_phrases(terms, progress, read);
    }
    return translation.keeps_placeholders && all_met(progress);
  });
}

}  // namespace

SearchSymbols search_symbols(const Vocabulary& vocabulary, const Frame& frame) {
  SearchSymbols symbols;
  symbols.end = vocabulary.eos();
  symbols.forced = frame.target_head;
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    const bool unwanted = vocabulary.is_special(id) || id == vocabulary.unk();
    if (unwanted && id != vocabulary.eos()) symbols.forbidden.push_back(id);
    if (!unwanted && shows_nothing(vocabulary.decode({id}))) symbols.blank.push_back(id);
  }
  return symbols;
}

Translator::Translator(std::shared_ptr<DecodingModel> model, Vocabulary vocabulary, const DecodeOptions& options,
                       std::int64_t trained_length)
    : model_(std::move(model)),
      runner_(std::make_unique<BatchRunner>(*model_)),
      vocabulary_(std::move(vocabulary)),
      symbols_(search_symbols(vocabulary_, {})),
      trained_length_(trained_length > 0 ? std::min(trained_length, model_->max_positions()) : model_->max_positions()),
      options_(options),
      sign_pieces_(std::make_unique<LazySignPieces>()),
      piece_texts_(std::make_unique<LazyPieceTexts>()) {
  if (model_->vocabulary() != vocabulary_.size()) {
    fail("the vocabulary has {} entries, the model {}; name the model's own (--vocab)", vocabulary_.size(),
         model_->vocabulary());
  }
}

Translator Translator::load(const std::filesystem::path& path, const std::filesystem::path& vocabulary,
                            const DecodeOptions& options, const std::string& precision, const std::string& device,
                            Check check) {
  const std::filesystem::path folder = resolve_checkpoint(path);
  const Checkpoint checkpoint = Checkpoint::open(folder, check);
  const std::filesystem::path file = vocabulary.empty() ? vocabulary_of(folder) : vocabulary;
  check_vocabulary(checkpoint, file);
  const DataOptions data = options_of(checkpoint).data;
  Translator translator(load_decoding_model(checkpoint, precision, device), Vocabulary::load(file), options,
                        data.max_length);
  // Models made of others' weights hold no place in the data of their own, and know more than one run's directions.
  if (checkpoint.meta().contains("data")) translator.trained_on_ = std::make_shared<DataOptions>(data);
  return translator;
}

bool Translator::is_trained(const std::string& source, const std::string& target, std::string_view task) const {
  parse_task(task, vocabulary_);
  return !trained_directions({direction(source, target)}, task).empty();
}

Direction Translator::direction(const std::string& source, const std::string& target) const {
  const auto own_name = [&](const std::string& name) {
    return vocabulary_.languages().at(static_cast<std::size_t>(vocabulary_.language_index(name)));
  };
  return {own_name(source), own_name(target)};
}

std::vector<Direction> Translator::trained_directions(const std::vector<Direction>& directions,
                                                      std::string_view task) const {
  if (trained_on_ == nullptr) return directions;
  return polymoe::trained_directions(*trained_on_, std::string(task), directions);
}

std::size_t Translator::longest_part(const Frame& frame) const {
  return static_cast<std::size_t>(std::max<std::int64_t>(1, trained_length_ - frame.source_marks()));
}

std::size_t Translator::longest_target(const Frame& frame) const {
  return static_cast<std::size_t>(model_->max_positions()) - 1 - frame.target_head.size();
}

std::vector<std::string> Translator::parts_of(const std::string& text, std::int32_t language,
                                              const Frame& frame) const {
  const std::size_t longest = longest_part(frame);
  // A token is a byte at least, but for the mark in front of the text.
  const auto fits = [&](std::string_view part) {
    return part.size() < longest || vocabulary_.encode(part, language).size() <= longest;
  };
  const bool never = options_.split_sentences == SentenceSplit::kNever;
  if (never || (options_.split_sentences == SentenceSplit::kLong && fits(text))) return {text};
  std::vector<std::string_view> whole;
  for (const Placeholder& place : find_placeholders(text)) {
    whole.push_back(std::string_view(text).substr(place.begin, place.end - place.begin));
  }
  std::vector<std::string> parts;
  for (const std::string_view sentence : split_sentences(text, whole)) {
    for (const std::string_view part : split_to_fit(sentence, fits, whole)) {
      if (!vocabulary_.is_empty(part)) parts.emplace_back(part);
    }
  }
  return parts.empty() ? std::vector<std::string>{text} : parts;
}

const SignPieces& Translator::sign_pieces() const {
  std::call_once(sign_pieces_->found, [&] { sign_pieces_->pieces = find_sign_pieces(vocabulary_); });
  return sign_pieces_->pieces;
}

const std::vector<std::u32string>& Translator::pieces() const {
  std::call_once(piece_texts_->found, [&] { piece_texts_->texts = piece_texts(vocabulary_); });
  return piece_texts_->texts;
}

std::shared_ptr<const ForbiddenPhrases> Translator::forbid(std::span<const std::string> phrases,
                                                           const std::string& target) const {
  return std::make_shared<ForbiddenPhrases>(phrases, vocabulary_, pieces(), vocabulary_.language_index(target));
}

void Translator::make_demands(SentenceWork& work, const TextDemands& demands, std::int32_t language) const {
  work.demands.token_scores = demands.word_scores;
  work.demands.forbidden = demands.forbidden;
  work.protects =
      options_.protect == Protection::kAlways || (options_.protect == Protection::kDocuments && demands.of_document);
  if (options_.temperature > 0) return;  // what samples lose is told
  if (demands.glossary != nullptr) {
    TermPhrases terms = phrases_of(*demands.glossary, work.text, vocabulary_, language);
    work.demands.phrases = std::move(terms.phrases);
    work.unwritable_terms = terms.unwritable;
  }
  if (!work.protects) return;
  const std::size_t count = find_placeholders(work.text).size();
  if (count == 0 || count > kMostPlaceholders) return;
  protect_placeholders(work.text, vocabulary_, sign_pieces(), language, work.demands, work.literals);
}

std::vector<SentenceWork> Translator::works_of(const std::string& sentence, std::int32_t source_language,
                                               std::int32_t target_language, const Frame& frame,
                                               const TextDemands& demands, LossySource& lost) const {
  std::vector<SentenceWork> works;
  for (const std::string& text : parts_of(sentence, source_language, frame)) {
    SentenceWork work{.text = text, .sentence = lost.sentence, .part = works.size()};
    LossySource found;
    work.source = make_source(vocabulary_, text, frame, source_language, model_->max_positions(), found);
    work.asked = &demands;
    work.first_text = frame.source_head.size();
    work.text_tokens = found.read;
    work.language = source_language;
    lost.tokens += found.tokens;
    lost.read += found.read;
    lost.unknown += found.unknown;
    if (found.tokens > longest_part(frame)) lost.trained = longest_part(frame);
    make_demands(work, demands, target_language);
    work.beams = std::max(options_.n_best, beams_with_phrases(work.demands.phrases, options_.beam_size));
    works.push_back(std::move(work));
  }
  return works;
}

std::vector<std::vector<Translation>> Translator::translate(std::span<const std::string> sentences,
                                                            const std::string& source, const std::string& target,
                                                            const ProgressSink& progress, std::string_view task_name,
                                                            const LossSink& lost, const TextDemands& demands) const {
  if ((demands.alignments || demands.replace_unknowns) && !model_->gives_attention()) {
    fail("alignments and copies of unknown text need a model on the CPU, not in float16, without expert choice");
  }
  const Task task = parse_task(task_name, vocabulary_);
  const std::int32_t source_language = vocabulary_.language_index(source);
  const std::int32_t target_language = vocabulary_.language_index(target);
  const Frame frame = make_frame(vocabulary_, task, source_language, target_language);
  check_room(frame, model_->max_positions());

  std::vector<std::vector<SentenceWork>> works(sentences.size());  // by sentence its parts
  std::vector<SentenceWork*> order;
  TextStream stream(demands.partial, sentences.size());
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    if (vocabulary_.is_empty(sentences[i])) {
      stream.set_parts(i, 1);
      stream.update(i, 0, sentences[i], true);
      continue;
    }
    LossySource found{.sentence = i};
    works[i] = works_of(sentences[i], source_language, target_language, frame, demands, found);
    stream.set_parts(i, works[i].size());
    if (!demands.prefixes.empty()) {
      SentenceWork& begun = works[i].front();
      begun.prefix = parse_prefix(demands.prefixes[i], vocabulary_, target_language);
      if (begun.prefix.ids.size() > longest_target(frame)) {
        throw Error(fmt::format("the prefix of line {} has {} tokens, but the model writes at most {}",
                                demands.first_number + i + 1, begun.prefix.ids.size(), longest_target(frame)),
                    {}, "give a shorter one");
      }
      begun.demands.prefix = begun.prefix.ids;
      mark_given(begun.prefix.text, begun.literals, begun.demands.phrases);
    }
    if ((found.read < found.tokens || found.unknown > 0 || found.trained > 0) && lost) {
      lost(found);
    }
    for (SentenceWork& work : works[i]) {
      work.demands.number = demands.first_number + i;
      order.push_back(&work);
    }
  }
  // What the model writes by itself is better than what it is made to write: phrases are for what lacks them.
  std::deque<SentenceWork> plain;  // of works with phrases, in their order
  std::vector<SentenceWork*> first, again;
  for (SentenceWork* work : order) {
    const bool is_plain = work->demands.phrases.empty();
    first.push_back(is_plain ? work : &plain.emplace_back(without_phrases(*work, options_.beam_size)));
  }
  search_all(first, frame, progress, stream, demands.stop);
  auto attempt = plain.begin();
  for (SentenceWork* work : order) {
    if (work->demands.phrases.empty()) continue;
    if (hold_phrases(attempt->translations, *work, vocabulary_, target_language)) {
      work->translations = std::move(attempt->translations);
      stream.update(work->sentence, work->part, work->translations.front().text, true);
    } else {
      again.push_back(work);
    }
    ++attempt;
  }
  search_all(again, frame, progress, stream, demands.stop);

  std::vector<std::vector<Translation>> results(sentences.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    std::size_t ranks = 0;
    for (const SentenceWork& work : works[i]) ranks = std::max(ranks, work.translations.size());
    for (std::size_t rank = 0; rank < ranks; ++rank) results[i].push_back(join(works[i], rank));
    if (results[i].empty()) results[i].push_back({.text = sentences[i]});
  }
  return results;
}

void Translator::search_all(std::vector<SentenceWork*>& works, const Frame& frame, const ProgressSink& progress,
                            TextStream& stream, const std::stop_token& stop) const {
  SearchSymbols symbols = symbols_;
  symbols.forced = frame.target_head;
  const bool protects = std::any_of(works.begin(), works.end(), [](auto* work) { return !work->literals.empty(); });
  if (protects) symbols.word_parts = sign_pieces().word_parts;
  const bool writes_unknown = !works.empty() && works.front()->asked->replace_unknowns;
  if (writes_unknown) std::erase(symbols.forbidden, vocabulary_.unk());
  std::stable_sort(works.begin(), works.end(), [](const SentenceWork* a, const SentenceWork* b) {
    return a->beams != b->beams ? a->beams > b->beams : a->source.size() > b->source.size();
  });
  const std::int64_t max_tokens = tokens_of_batch(works, runner_->at_once(), options_.max_tokens);
  const std::vector<std::size_t> begins = batch_begins(works, max_tokens, options_.beam_size);
  Progress report{"translate", 0, works.size(), "sentences", "", false};
  std::mutex reporting;
  const auto search_batch = [&](std::size_t i) {
    const std::size_t count = begins[i + 1] - begins[i];
    search(std::span(works).subspan(begins[i], count), frame.start, symbols, stream, stop);
    const std::lock_guard lock(reporting);
    report.done += count;
    report.finished = report.done == works.size();
    if (progress) progress(report);
  };
  runner_->run(begins.size() - 1, search_batch, stop);
}

void Translator::search(std::span<SentenceWork* const> works, std::int32_t start, const SearchSymbols& symbols,
                        TextStream& stream, const std::stop_token& stop) const {
  std::vector<std::vector<std::int32_t>> sources;
  std::vector<Demands> demands;
  for (const SentenceWork* work : works) {
    sources.push_back(work->source);
    demands.push_back(work->demands);
  }
  DecodeOptions options = options_;
  options.beam_size = works.front()->beams;
  const std::vector<std::int32_t> first_ids(sources.size(), start);
  SearchWatch watch{.stop = stop};
  if (stream.is_watched()) {
    watch.known = [&](std::size_t i, std::span<const std::int32_t> ids) {
      const SentenceWork& work = *works[i];
      const auto begun = work.prefix.ids.size();
      if (work.is_attempt || !work.demands.phrases.empty() || ids.size() < begun) return;
      // What becomes of an unknown token is told when all is written.
      const auto unknown = std::find(ids.begin() + static_cast<std::ptrdiff_t>(begun), ids.end(), vocabulary_.unk());
      stream.update(work.sentence, work.part, one_line(written_text({ids.begin(), unknown}, work.prefix, vocabulary_)),
                    false);
    };
  }
  const auto hypotheses = beam_search(*model_, sources, first_ids, symbols, options, {}, demands, watch);
  for (std::size_t i = 0; i < works.size(); ++i) {
    SentenceWork& work = *works[i];
    for (const Hypothesis& hypothesis : hypotheses[i]) {
      work.translations.push_back(translation_of(hypothesis, work, symbols));
    }
  }
  attend(works, hypotheses, start, symbols);
  for (const SentenceWork* work : works) {
    if (!work->is_attempt) stream.update(work->sentence, work->part, work->translations.front().text, true);
  }
}

Translation Translator::translation_of(const Hypothesis& hypothesis, const SentenceWork& work,
                                       const SearchSymbols& symbols) const {
  Translation translation;
  translation.score = hypothesis.score;
  translation.cut_off = hypothesis.cut_off;
  translation.text = one_line(written_text(hypothesis, work.prefix, work.literals, vocabulary_));
  check_text(translation, work);
  translation.unmet_terms = work.unwritable_terms;
  std::vector<bool> met(work.demands.phrases.size());
  for (const PhrasePlace& place : hypothesis.placements) met[place.phrase] = true;
  for (std::size_t i = 0; i < met.size(); ++i) {
    const bool is_term = i >= work.literals.size() || work.literals[i].empty();
    if (is_term && !met[i]) ++translation.unmet_terms;
  }
  if (work.demands.token_scores) {
    translation.word_scores = word_scores(hypothesis, work.prefix, work.literals, vocabulary_, symbols.blank);
  }
  translation.tokens = hypothesis.ids.size() + (hypothesis.cut_off ? 0 : 1) + symbols.forced.size();
  translation.log_probability =
      hypothesis.score * std::pow(static_cast<double>(translation.tokens), options_.length_penalty);
  return translation;
}

// The parts' translations of one rank, or of the last rank that a part has, as one.
Translation Translator::join(std::span<const SentenceWork> parts, std::size_t rank) const {
  Translation joined;
  std::vector<std::string> texts;
  for (const SentenceWork& part : parts) {
    const Translation& own = part.translations[std::min(rank, part.translations.size() - 1)];
    texts.push_back(own.text);
    joined.cut_off = joined.cut_off || own.cut_off;
    joined.unmet_terms += own.unmet_terms;
    joined.forbidden_phrases += own.forbidden_phrases;
    joined.keeps_placeholders = joined.keeps_placeholders && own.keeps_placeholders;
    joined.copied += own.copied;
    joined.log_probability += own.log_probability;
    joined.tokens += own.tokens;
    joined.score = own.score;
  }
  joined.text = texts.size() == 1 ? texts[0] : join_sentences(texts);
  if (parts.front().asked->word_scores) joined.word_scores = join_word_scores(parts, rank);
  if (parts.front().asked->alignments) joined.alignment = join_alignments(parts, rank);
  if (texts.size() > 1) {
    joined.score = joined.log_probability / std::pow(static_cast<double>(joined.tokens), options_.length_penalty);
  }
  return joined;
}

std::vector<TargetScore> Translator::score(std::span<const std::string> sentences, std::span<const std::string> targets,
                                           const std::string& source, const std::string& target,
                                           std::string_view task_name, const TextNames& names,
                                           const std::stop_token& stop) const {
  const Task task = parse_task(task_name, vocabulary_);
  const std::int32_t source_language = vocabulary_.language_index(source);
  const std::int32_t target_language = vocabulary_.language_index(target);
  const Frame frame = make_frame(vocabulary_, task, source_language, target_language);
  check_room(frame, model_->max_positions());
  const std::size_t longest = longest_target(frame);
  std::vector<ForcedTarget> works;
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    LossySource found;
    ForcedTarget work{
        .source = make_source(vocabulary_, sentences[i], frame, source_language, model_->max_positions(), found),
        .target = vocabulary_.encode(targets[i], target_language)};
    if (found.read < found.tokens) {
      throw Error(fmt::format("{} tokens, but the model reads at most {}", found.tokens, found.read),
                  {names.sources, i + 1}, "leave it out, or divide it");
    }
    if (work.target.size() > longest) {
      throw Error(fmt::format("{} tokens, but the model writes at most {}", work.target.size(), longest),
                  {names.targets, i + 1}, "leave it out, or divide it");
    }
    works.push_back(std::move(work));
  }
  std::vector<std::size_t> order(works.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return works[a].source.size() > works[b].source.size(); });
  std::vector<TargetScore> scores(works.size());
  for (std::size_t first = 0; first < order.size();) {
    const auto room =
        std::max<std::size_t>(1, static_cast<std::size_t>(options_.max_tokens) / works[order[first]].source.size());
    const std::size_t end = std::min(order.size(), first + room);
    std::vector<ForcedTarget> batch;
    for (std::size_t i = first; i < end; ++i) batch.push_back(works[order[i]]);
    std::vector<std::vector<float>> token_scores;
    const auto score_batch = [&](std::size_t) {
      token_scores = forced_scores(*model_, batch, frame.start, frame.target_head, vocabulary_.eos());
    };
    runner_->run(1, score_batch, stop);
    for (std::size_t i = first; i < end; ++i) {
      const std::vector<float>& own = token_scores[i - first];
      TargetScore& result = scores[order[i]];
      result.tokens = own.size() + frame.target_head.size();
      for (const float value : own) result.log_probability += static_cast<double>(value);
      result.score = result.log_probability / std::pow(static_cast<double>(result.tokens), options_.length_penalty);
      const std::vector<std::int32_t>& target = works[order[i]].target;
      const bool has_unknown = std::find(target.begin(), target.end(), vocabulary_.unk()) != target.end();
      result.word_scores =
          has_unknown ? word_scores(texts_of_tokens(target, pieces(), vocabulary_.unk(),
                                                    vocabulary_.unknown_texts(targets[order[i]], target_language)),
                                    own)
                      : word_scores({.ids = target, .token_scores = own}, {}, {}, vocabulary_, symbols_.blank);
    }
    first = end;
  }
  return scores;
}

}  // namespace polymoe
