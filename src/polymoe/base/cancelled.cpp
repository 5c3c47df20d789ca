#include "polymoe/cancelled.h"

namespace polymoe {

v0::Cancelled::~Cancelled() = default;

const char* v0::Cancelled::what() const noexcept { return "cancelled"; }

}  // namespace polymoe
