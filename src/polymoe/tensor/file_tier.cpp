#include "polymoe/tensor/file_tier.h"

#include <utility>

#include "polymoe/tensor/buffer.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

FileTier::FileTier(const std::filesystem::path& folder, IoEngine engine) : file_(folder, engine) {}

FileTier::Place* FileTier::find(const at::Tensor& buffer) {
  const auto found = places_.find(buffer.storage().unsafeGetStorageImpl());
  return found == places_.end() ? nullptr : &found->second;
}

bool FileTier::has(const at::Tensor& buffer) const {
  return places_.count(buffer.storage().unsafeGetStorageImpl()) > 0;
}

void FileTier::take_in(const at::Tensor& buffer) {
  Place& place = places_[buffer.storage().unsafeGetStorageImpl()];
  place.buffer = buffer;
  place.offset = end_;
  place.bytes = static_cast<std::int64_t>(buffer.nbytes());
  place.in_memory = true;
  place.uses = 1;
  end_ += place.bytes;
  file_.extend(static_cast<std::uint64_t>(end_));
  release(buffer, /*changed=*/true);
}

void FileTier::prefetch(const at::Tensor& buffer) {
  Place* place = find(buffer);
  if (place == nullptr || place->in_memory || place->is_zero) return;
  bring_in(*place);
  unused_ += place->bytes;
}

void FileTier::acquire(const at::Tensor& buffer) {
  Place* place = find(buffer);
  if (place == nullptr) return;
  if (place->uses == 0) {
    if (!place->in_memory) {
      bring_in(*place);
      unused_ += place->bytes;
    }
    finish(place->reading);
    finish(place->writing);  // what is being written must not change
    unused_ -= place->bytes;
  }
  ++place->uses;
}

void FileTier::release(const at::Tensor& buffer, bool changed) {
  Place* place = find(buffer);
  if (place == nullptr) return;
  place->changed |= changed;
  if (--place->uses > 0) return;
  place->last_use = ++clock_;
  unused_ += place->bytes;
  write_behind(*place);
  make_room(0);
}

void FileTier::clear(const at::Tensor& buffer) {
  Place* place = find(buffer);
  if (place == nullptr) return;
  place->is_zero = true;
  if (!place->in_memory) return;
  finish(place->reading);
  finish(place->writing);
  buffer.zero_();
}

void FileTier::finish(std::optional<ScratchFile::Ticket>& ticket) {
  if (ticket) file_.wait(*std::exchange(ticket, std::nullopt));
}

// Gives a buffer memory and begins to fill it.
void FileTier::bring_in(Place& place) {
  make_room(place.bytes);
  restore_memory(place.buffer, MemoryKind::kOptimizer, /*on_host=*/true);
  place.in_memory = true;
  place.last_use = ++clock_;
  if (place.is_zero) {
    place.buffer.zero_();
    return;
  }
  place.reading = file_.start_read(static_cast<std::uint64_t>(place.offset), place.buffer.mutable_data_ptr(),
                                   static_cast<std::uint64_t>(place.bytes));
  bytes_read_ += place.bytes;
}

void FileTier::write_behind(Place& place) {
  if (!std::exchange(place.changed, false)) return;
  place.is_zero = false;
  place.writing = file_.start_write(static_cast<std::uint64_t>(place.offset), place.buffer.const_data_ptr(),
                                    static_cast<std::uint64_t>(place.bytes));
  bytes_written_ += place.bytes;
}

// Takes memory from the buffers whose last use is longest ago, until what is unused and `bytes` more fit the window.
void FileTier::make_room(std::int64_t bytes) {
  while (unused_ > 0 && unused_ + bytes > window_bytes_) {
    Place* oldest = nullptr;
    for (auto& [storage, place] : places_) {
      if (!place.in_memory || place.uses > 0) continue;
      if (oldest == nullptr || place.last_use < oldest->last_use) oldest = &place;
    }
    finish(oldest->reading);
    finish(oldest->writing);
    free_memory(oldest->buffer);
    oldest->in_memory = false;
    unused_ -= oldest->bytes;
  }
}

void use_buffers(FileTier* tier, const std::vector<BufferUse>& buffers, const std::function<void()>& work) {
  if (tier == nullptr) {
    work();
    return;
  }
  std::size_t acquired = 0;
  const auto release = [&] {
    for (; acquired > 0; --acquired) {
      const BufferUse& use = buffers[acquired - 1];
      tier->release(use.buffer, use.access == Access::kWrite);
    }
  };
  try {
    for (; acquired < buffers.size(); ++acquired) tier->acquire(buffers[acquired].buffer);
    work();
  } catch (...) {
    release();
    throw;
  }
  release();
}

}  // namespace polymoe
