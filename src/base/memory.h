#pragma once

#include <cstdint>

namespace polymoe {

/// The most memory that this process has had resident so far, in bytes; 0 where the system does not tell.
std::int64_t peak_resident_bytes();

}  // namespace polymoe
