#include "polymoe/optim/delayed_update.h"

#include <utility>

#include <ATen/ThreadLocalState.h>

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

DelayedUpdate::~DelayedUpdate() {
  if (thread_.joinable()) thread_.join();
}

void DelayedUpdate::start() {
  if (!std::exchange(state_.waits, false)) return;
  // What this thread counts and how many threads it uses goes for the other too.
  thread_ = std::thread([this, state = at::ThreadLocalState(), threads = at::get_num_threads()] {
    const at::ThreadLocalStateGuard guard(state);
    at::set_num_threads(threads);
    try {
      adam_.update_late(state_.learning_rate, state_.gradient_norm, state_.loss_scale);
    } catch (...) {
      failure_ = std::current_exception();
    }
  });
}

bool DelayedUpdate::finish() {
  if (!thread_.joinable()) return false;
  thread_.join();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  store_.round_masters();
  return true;
}

void DelayedUpdate::keep(double learning_rate, double gradient_norm, double loss_scale) {
  const at::NoGradGuard no_grad;
  for (const ParameterUnit& unit : store_.units()) unit.late_gradients.copy_(unit.own_gradients);
  state_ = {true, learning_rate, gradient_norm, loss_scale};
}

}  // namespace polymoe
