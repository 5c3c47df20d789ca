#include "polymoe/nn/partition.h"

#include "polymoe/nn/moe/dispatcher.h"

namespace polymoe {

std::shared_ptr<Dispatcher> make_local_dispatcher() { return std::make_shared<LocalDispatcher>(); }

}  // namespace polymoe
