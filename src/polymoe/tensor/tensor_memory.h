#pragma once

namespace polymoe {

/// From now on a tensor in host memory that is large gets pages of its own from the system, huge ones where the system
/// has them, and gives them back when it goes. In the heap, blocks of all sizes come and go in turn, and a good part of
/// it stood empty at the peak of a training. For programs, at start.
void map_large_tensors();

}  // namespace polymoe
