#pragma once

#include <optional>
#include <string_view>

namespace polymoe {

/// What "NAME.partial-123" or "NAME.old-123" was to become, where `mark` is ".partial-" or ".old-" and no process 123
/// runs on this machine any more: NAME. Nothing for other names.
std::optional<std::string_view> left_by_dead_process(std::string_view name, std::string_view mark);

}  // namespace polymoe
