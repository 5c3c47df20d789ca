#include "polymoe/surgery/result.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/base/remarks.h"
#include "polymoe/checkpoint/index.h"
#include "polymoe/checkpoint/vocabulary_file.h"
#include "polymoe/config/describe.h"
#include "polymoe/config/run_options.h"
#include "polymoe/config/sections.h"
#include "polymoe/config/validate.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

namespace fs = std::filesystem;

ModelSize size_of_model(const Checkpoint& checkpoint) {
  ModelSize size;
  for (const std::string& name : checkpoint.names("model")) {
    const TensorSpec& spec = checkpoint.spec("model", name);
    size.parameters += num_elements(spec);
    size.bytes += tensor_bytes(spec);
  }
  return size;
}

// An earlier result may be replaced; a training goes on from its checkpoints, and a source may be all there is.
void check_output(const fs::path& path, const std::vector<fs::path>& sources) {
  const char* const remedy = "choose another name for the result";
  for (const fs::path& source : sources) {
    if (fs::weakly_canonical(path) == fs::weakly_canonical(source)) {
      throw Error("is what the new checkpoint is made from", {path, 0}, remedy);
    }
  }
  if (!path_exists(path / kIndexFile)) return;
  if (!Checkpoint::open(path, Check::kHeaders).meta().contains("origin")) {
    throw Error("holds a checkpoint of a training", {path, 0}, remedy);
  }
  remark("an older result, which is replaced", {path, 0});
}

SurgeryResult::SurgeryResult(const fs::path& path, ProgressSink progress)
    : writer_(path), progress_(std::move(progress)) {
  state_.stage = "write";
  state_.unit = "tensors";
}

void SurgeryResult::add(const std::string& group, const TensorSpec& spec, std::function<at::Tensor()> make) {
  ++state_.total;
  writer_.add(group, spec, [this, make = std::move(make)] {
    at::Tensor value = make();
    ++state_.done;
    if (progress_) progress_(state_);
    return value;
  });
}

void SurgeryResult::add_copy(const std::string& group, const std::string& name, const Checkpoint& from,
                             const std::string& from_name) {
  TensorSpec spec = from.spec(group, from_name);
  spec.name = name;
  add(group, spec, [&from, group, from_name] { return from.read(group, from_name); });
}

void SurgeryResult::commit(RunOptions options, const std::optional<std::string>& vocabulary, nlohmann::json meta) {
  validate(options);
  meta["config"] = dump_yaml(sections_of(options));
  if (vocabulary) {
    writer_.add_file("vocab.model", *vocabulary);
    meta.update(vocabulary_meta(*vocabulary));
  }
  writer_.commit(meta);
  state_.finished = true;
  if (progress_) progress_(state_);
}

}  // namespace polymoe
