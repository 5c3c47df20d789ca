#pragma once

#include <optional>
#include <string>
#include <vector>

#include "polymoe/config/field.h"
#include "polymoe/config/planner_options.h"

/// How values reach the option structs: defaults, then the preset, then a YAML file, then the command line.
namespace polymoe {

/// One key and its value as somebody wrote it, not yet checked against the tables.
struct Assignment {
  enum class Kind {
    kValue,
    kList,
    kNothing,  ///< a key with nothing behind it, e.g. "train:"
    kSection   ///< a key with keys below it
  };

  std::string key;                  ///< full key, e.g. "model.moe.experts"
  std::vector<std::string> values;  ///< one for kValue, any number for kList, else none
  Kind kind = Kind::kValue;
  Where where;
};

/// Stores one value. Throws Error, with the key and `where`, for an unknown key (naming the nearest right one), a
/// value of the wrong type, a number out of range, a word that is none of the choices.
void set_option(std::vector<Section>& sections, const Assignment& assignment);
void set_option(std::vector<Section>& sections, const std::string& key, const std::string& value,
                const Where& where = {});

/// Stores every value of a YAML file and returns the keys it gave. Throws Error as read_yaml() and set_option() do.
/// Presets are load_run_options()' business.
GivenKeys merge_yaml(std::vector<Section>& sections, const std::string& path);

struct LoadedOptions {
  PlannerOptions options;
  GivenKeys given;
};

/// defaults -> model.preset, wherever it stands -> the YAML file -> `overrides` -> validate(). Keys given beside a
/// preset win over it, wherever they stand. A learning rate that is not given follows the width. Throws Error as
/// set_option(), read_yaml() and validate() do.
LoadedOptions load_run_options(const std::optional<std::string>& yaml_path, const std::vector<Assignment>& overrides,
                               const PlannerOptions& defaults = {});

/// The known full key nearest to `key` ("model.hiden" -> "model.hidden", "hidden" -> "model.hidden"), or "" when none
/// is near.
std::string nearest_key(const std::vector<Section>& sections, const std::string& key);

}  // namespace polymoe
