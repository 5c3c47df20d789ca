#pragma once

#include <barrier>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "polymoe/nn/model_axis.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

/// A model axis whose slices are threads of this process, for tests. On a GPU for forward alone: autograd has one
/// thread for each GPU, and the backward of the first slice would wait in it for those of the others.
class ThreadAxis : public ModelAxis {
 public:
  struct Shared {
    explicit Shared(std::int64_t size) : barrier(size), parts(static_cast<std::size_t>(size)) {}
    std::barrier<> barrier;
    std::vector<at::Tensor> parts;  // by slice
  };

  ThreadAxis(Shared& shared, std::int64_t rank) : shared_(shared), rank_(rank) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(shared_.parts.size()); }
  std::int64_t rank() const override { return rank_; }
  at::Tensor copy_to_region(const at::Tensor& x) override { return Enter::apply(x, as_number()); }
  at::Tensor reduce_from_region(const at::Tensor& x) override { return Leave::apply(x, as_number()); }
  void sum_(const at::Tensor& x) override {
    reduce(x, [](at::Tensor& total, const at::Tensor& part) { total.add_(part); });
  }
  void max_(const at::Tensor& x) override {
    reduce(x, [](at::Tensor& total, const at::Tensor& part) { total = at::maximum(total, part); });
  }

 private:
  struct Enter : torch::autograd::Function<Enter> {
    static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x, std::int64_t axis) {
      ctx->saved_data["axis"] = axis;
      return x;
    }
    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                   const torch::autograd::variable_list& grads) {
      return {total(grads[0], ctx->saved_data["axis"].toInt()), {}};
    }
  };
  struct Leave : torch::autograd::Function<Leave> {
    static at::Tensor forward(torch::autograd::AutogradContext* /*ctx*/, const at::Tensor& x, std::int64_t axis) {
      return total(x, axis);
    }
    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* /*ctx*/,
                                                   const torch::autograd::variable_list& grads) {
      return {grads[0], {}};
    }
  };

  // Autograd's context keeps numbers and tensors only.
  std::int64_t as_number() { return reinterpret_cast<std::int64_t>(this); }
  static at::Tensor total(const at::Tensor& x, std::int64_t axis) {
    at::Tensor sum = x.clone();
    reinterpret_cast<ThreadAxis*>(axis)->sum_(sum);
    return sum;
  }

  // In the order of slices, so that all get the same bits.
  template <typename Function>
  void reduce(const at::Tensor& x, const Function& add) {
    const at::NoGradGuard no_grad;
    shared_.parts[static_cast<std::size_t>(rank_)] = x;
    shared_.barrier.arrive_and_wait();
    at::Tensor total = shared_.parts[0].clone();
    for (std::size_t i = 1; i < shared_.parts.size(); ++i) add(total, shared_.parts[i]);
    shared_.barrier.arrive_and_wait();
    x.copy_(total);
  }

  Shared& shared_;
  std::int64_t rank_;
};

/// Calls `body` once for each slice, all at a time, each in a thread of its own. Throws what a slice threw.
inline void run_slices(std::int64_t size, const std::function<void(const std::shared_ptr<ModelAxis>&)>& body) {
  ThreadAxis::Shared shared(size);
  std::mutex mutex;
  std::exception_ptr failure;
  std::vector<std::thread> threads;
  for (std::int64_t rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        body(std::make_shared<ThreadAxis>(shared, rank));
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        // The others go on with wrong sums, but they end.
        shared.barrier.arrive_and_drop();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace polymoe
