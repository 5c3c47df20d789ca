#pragma once

#include <cstddef>
#include <functional>

namespace polymoe {

/// Calls work(i) for each i below `count`, in order of i but on up to `threads` threads (0: one for each core). The
/// first exception stops the handing out of work and is thrown once all threads have ended.
void parallel_for(std::size_t count, std::size_t threads, const std::function<void(std::size_t)>& work);

}  // namespace polymoe
