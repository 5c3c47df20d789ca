#include "polymoe/decode/batches.h"

#include "polymoe/base/parallel_for.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

// LibTorch's threads are the calling thread's affair, but it begins with the number that was set last.
class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

}  // namespace

std::int64_t batches_at_once(const DecodingModel& model) { return model.is_thread_safe() ? at::get_num_threads() : 1; }

void search_batches(const DecodingModel& model, std::size_t count, const std::function<void(std::size_t)>& search) {
  const std::int64_t at_once = batches_at_once(model);
  if (at_once == 1 || count < 2) {
    for (std::size_t i = 0; i < count; ++i) search(i);
    return;
  }
  const Threads alone(1);
  parallel_for(count, static_cast<std::size_t>(at_once), [&](std::size_t i) {
    at::set_num_threads(1);
    const at::NoGradGuard no_grad;
    search(i);
  });
}

}  // namespace polymoe
