#pragma once

#include <cstdint>

namespace polymoe {

/// The most memory that this process has had resident so far, in bytes; 0 where the system does not tell.
std::int64_t peak_resident_bytes();

/// What the system says is left for this process to take, within its container's limit if it has one; 0 where it does
/// not tell.
std::int64_t available_bytes();

}  // namespace polymoe
