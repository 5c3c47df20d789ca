#pragma once

namespace polymoe {

/// Tells the C library to keep freed memory rather than give it back to the system after each large tensor: a step of
/// training frees and takes the same blocks again and again, and each return costs page faults. For programs, at start.
void keep_freed_memory();

}  // namespace polymoe
