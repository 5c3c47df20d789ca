#pragma once

#include <map>
#include <string>
#include <vector>

#include "polymoe/config/field.h"

/// The tables of options as text: configuration files and documentation.
namespace polymoe {

struct RunOptions;

/// What a field may hold: "whole number from 1 to 4096", "true or false", "relu, gelu, swish".
std::string describe_values(const Field& field);

/// The present value as one writes it in YAML: 512, 0.0005, true, "en-*", [en-de, de-en].
std::string yaml_value(const Field& field);

/// All values as in YAML, by "section.key".
std::map<std::string, std::string> values_of(RunOptions options);

/// The sections as a YAML file with each key's help as a comment. It loads back to the same values.
std::string dump_yaml(const std::vector<Section>& sections);

/// The sections as Markdown tables of keys, default values, allowed values and help.
std::string dump_markdown(const std::vector<Section>& sections);

}  // namespace polymoe
