#include "polymoe/comm/operation.h"

#include <algorithm>
#include <utility>

#include "polymoe/base/error.h"
#include "polymoe/comm/late_ranks.h"

namespace polymoe {
namespace {

std::vector<Piece> cut(const std::vector<Piece>& messages, std::int64_t limit) {
  std::vector<Piece> pieces;
  for (const Piece& message : messages) {
    for (std::int64_t begin = 0; begin < message.bytes; begin += limit) {
      pieces.push_back({message.peer, message.data + begin, std::min(limit, message.bytes - begin)});
    }
  }
  return pieces;
}

}  // namespace

Operation::Operation(OperationName name, std::shared_ptr<Transport> transport, std::vector<Step> steps,
                     std::int64_t piece_limit)
    : name_(std::move(name)), transport_(std::move(transport)), steps_(std::move(steps)), piece_limit_(piece_limit) {}

std::unique_ptr<Transfer> Operation::exchange(const std::vector<Piece>& sends,
                                              const std::vector<Piece>& receives) const {
  if (sends.empty() && receives.empty()) return nullptr;
  const int phase = static_cast<int>(next_);
  return transport_->exchange(name_.number, phase, cut(sends, piece_limit_), cut(receives, piece_limit_));
}

bool Operation::advance() {
  bool moved = false;
  while (!finished()) {
    if (transfer_ != nullptr) {
      if (!transfer_->done()) break;
      transfer_ = nullptr;
    } else {
      transfer_ = steps_[next_]([this](const std::vector<Piece>& sends, const std::vector<Piece>& receives) {
        return exchange(sends, receives);
      });
      ++next_;
    }
    moved = true;
  }
  return moved;
}

void OperationQueue::begin(std::shared_ptr<Operation> operation) {
  operation->advance();
  if (!operation->finished()) under_way_.push_back(std::move(operation));
}

bool OperationQueue::advance() {
  bool moved = false;
  for (const std::shared_ptr<Operation>& operation : under_way_) moved = operation->advance() || moved;
  if (moved) std::erase_if(under_way_, [](const auto& operation) { return operation->finished(); });
  return moved;
}

void OperationQueue::wait_for(const Operation& operation) {
  using Clock = std::chrono::steady_clock;
  auto since = Clock::now();
  while (!operation.finished()) {
    if (advance()) {
      since = Clock::now();
      continue;
    }
    const std::chrono::duration<double> waited = Clock::now() - since;
    if (waited > time_out_) throw Error(time_out_message(operation.name(), operation.transport(), time_out_));
    operation.transport().idle(waited);
  }
}

}  // namespace polymoe
