#pragma once

#include <filesystem>
#include <string>

/// Names inside a dataset folder, shared by those who write and read it:
///   dataset.json  vocab.model  CORPUS/SPLIT.COLUMN.ids  CORPUS/SPLIT.COLUMN.txt.gz
/// A column is a language, or a side of a task's pairs: "in.en", "out.en".
namespace polymoe {

inline constexpr const char* kDescriptionName = "dataset.json";
inline constexpr const char* kVocabularyName = "vocab.model";
inline constexpr int kFormat = 1;

std::string ids_name(const std::string& split, const std::string& column);
std::string text_name(const std::string& split, const std::string& column);

std::string task_source_column(const std::string& language);
std::string task_target_column(const std::string& language);

/// Whether the original text of a split is kept: not of "train", which is large and never shown.
bool keeps_text(const std::string& split);

/// Throws Error, with `where` as its place, for a corpus or split whose name would lead out of the dataset folder.
void check_path_part(const std::string& name, const std::filesystem::path& where);

}  // namespace polymoe
