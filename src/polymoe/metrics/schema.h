#pragma once

#include <concepts>
#include <type_traits>

#include "polymoe/metrics/records.h"

/// The fields of the records, once: visit_fields(record, visitor) calls the visitor for each, with its key and the
/// member. A visitor that writes gets const members, one that reads others.
///
/// number: a double; count: a whole one; those that begin with maybe_ are left out where they are missing or empty.
/// list: a vector; table: a map from names to numbers, or to structs that have fields themselves; named: a vector of
/// structs of which a member is the name.
namespace polymoe {

template <typename T, typename Record>
concept IsRecord = std::same_as<std::remove_const_t<T>, Record>;

template <typename Visitor>
void visit_fields(IsRecord<RunRecord> auto& record, Visitor&& visit) {
  visit.count("time", record.time);
  visit.count("parameters", record.parameters);
  visit.count("active_parameters", record.active_parameters);
  visit.count("state_bytes", record.state_bytes);
  visit.count("file_bytes", record.file_bytes);
  visit.list("languages", record.languages);
  visit.list("directions", record.directions);
  visit.sections("config", record.config);
}

template <typename Visitor>
void visit_fields(IsRecord<TaskLoss> auto& task, Visitor&& visit) {
  visit.number("loss", task.loss);
  visit.number("nll", task.nll);
}

template <typename Visitor>
void visit_fields(IsRecord<GroupTraffic> auto& group, Visitor&& visit) {
  visit.count("bytes", group.bytes);
  visit.number("seconds", group.seconds);
}

template <typename Visitor>
void visit_fields(IsRecord<TrainRecord> auto& record, Visitor&& visit) {
  visit.count("update", record.update);
  visit.count("time", record.time);
  visit.number("seconds", record.seconds);
  visit.maybe_number("cpu_seconds", record.cpu_seconds);
  visit.number("loss", record.loss);
  visit.number("nll", record.nll);
  visit.maybe_number("balance_loss", record.balance_loss);
  visit.number("learning_rate", record.learning_rate);
  visit.number("gradient_norm", record.gradient_norm);
  visit.count("tokens", record.tokens);
  visit.number("tokens_per_second", record.tokens_per_second);
  visit.maybe_count("skipped_updates", record.skipped_updates);
  visit.maybe_number("loss_scale", record.loss_scale);
  visit.maybe_number("communication_share", record.communication_share);
  visit.table("tasks", record.tasks);
  visit.table("memory", record.memory);
  visit.maybe_table("communication", record.communication);
}

template <typename Visitor>
void visit_scores(auto& scores, Visitor& visit) {
  visit.number("loss", scores.loss);
  visit.count("segments", scores.segments);
  visit.maybe_number("bleu", scores.bleu);
  visit.maybe_number("chrf", scores.chrf);
  visit.maybe_number("chrf_copy", scores.chrf_copy);
  visit.maybe_number("rouge1", scores.rouge1);
  visit.maybe_number("rouge2", scores.rouge2);
  visit.maybe_number("rougeL", scores.rouge_l);
}

template <typename Visitor>
void visit_fields(IsRecord<Scores> auto& scores, Visitor&& visit) {
  visit_scores(scores, visit);
}

template <typename Visitor>
void visit_fields(IsRecord<TaskScores> auto& scores, Visitor&& visit) {
  visit_scores(scores, visit);
  visit.number("nll", scores.nll);
  visit.maybe_table("directions", scores.directions);
}

template <typename Visitor>
void visit_fields(IsRecord<ValidRecord> auto& record, Visitor&& visit) {
  visit.count("update", record.update);
  visit.count("time", record.time);
  visit.number("loss", record.loss);
  visit.number("nll", record.nll);
  visit.maybe_number("bleu", record.bleu);
  visit.maybe_number("chrf", record.chrf);
  visit.flag("best", record.best);
  visit.table("directions", record.directions);
  visit.table("tasks", record.tasks);
}

template <typename Visitor>
void visit_fields(IsRecord<LanguageLoad> auto& language, Visitor&& visit) {
  visit.count("tokens", language.tokens);
  visit.list("load", language.load);
  visit.number("dropped", language.dropped);
  visit.number("entropy", language.entropy);
}

template <typename Visitor>
void visit_fields(IsRecord<LayerLoad> auto& layer, Visitor&& visit) {
  visit.text("name", layer.name);
  visit.maybe_count("experts", layer.experts);
  visit.list("dropped_by_position", layer.dropped_by_position);
  visit.named("languages", layer.languages, &LanguageLoad::language);
}

template <typename Visitor>
void visit_fields(IsRecord<ExpertsRecord> auto& record, Visitor&& visit) {
  visit.count("update", record.update);
  visit.count("time", record.time);
  visit.list("layers", record.layers);
}

template <typename Visitor>
void visit_fields(IsRecord<SampleTranslation> auto& sample, Visitor&& visit) {
  visit.maybe_text("task", sample.task);
  visit.text("direction", sample.direction);
  visit.text("source", sample.source);
  visit.text("reference", sample.reference);
  visit.text("translation", sample.translation);
}

template <typename Visitor>
void visit_fields(IsRecord<SamplesRecord> auto& record, Visitor&& visit) {
  visit.count("update", record.update);
  visit.count("time", record.time);
  visit.list("samples", record.samples);
}

/// The word in a record's "type".
template <typename Record>
inline constexpr const char* kTypeOf = nullptr;
template <>
inline constexpr const char* kTypeOf<RunRecord> = "run";
template <>
inline constexpr const char* kTypeOf<TrainRecord> = "train";
template <>
inline constexpr const char* kTypeOf<ValidRecord> = "valid";
template <>
inline constexpr const char* kTypeOf<ExpertsRecord> = "experts";
template <>
inline constexpr const char* kTypeOf<SamplesRecord> = "samples";

}  // namespace polymoe
