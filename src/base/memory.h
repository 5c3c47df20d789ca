#pragma once

#include <cstdint>

namespace polymoe {

/// Tells the C library to keep freed memory rather than give it back to the system after each large tensor: a step of
/// training frees and takes the same blocks again and again, and each return costs page faults. For programs, at start.
void keep_freed_memory();

/// The most memory that this process has had resident so far, in bytes; 0 where the system does not tell.
std::int64_t peak_resident_bytes();

}  // namespace polymoe
