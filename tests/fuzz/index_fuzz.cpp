// Any bytes as the index of a checkpoint, behind which the checksum that belongs to them is put: an Error, or an index
// that is the same when it is written and read back.

#include <span>

#include <fmt/format.h>

#include "fuzz/scratch.h"
#include "polymoe/base/files.h"
#include "polymoe/checkpoint/index.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = polymoe::scratch_folder() / "index.json", copy = polymoe::scratch_folder() / "copy.json";
  std::string text(polymoe::text_of(data, size));
  text += fmt::format(",\"crc32\":\"{:08x}\"}}\n", polymoe::crc32_of(std::as_bytes(std::span(text))));
  polymoe::put_file(path, text);
  polymoe::CheckpointIndex index;
  if (!polymoe::loads([&] { index = polymoe::read_index(path); })) return 0;
  for (const auto& [name, group] : index.groups) {
    for (const auto& [tensor_name, tensor] : group) polymoe::require(tensor.shard < index.shards.size());
  }
  polymoe::write_index(path, index);
  polymoe::write_index(copy, polymoe::read_index(path));
  polymoe::require(polymoe::read_file(path) == polymoe::read_file(copy));
  return 0;
}
