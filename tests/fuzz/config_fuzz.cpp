// Any bytes as a configuration file: a clear error, or options whose dump loads back to themselves.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "polymoe/base/error.h"
#include "polymoe/config/describe.h"
#include "polymoe/config/merge.h"
#include "polymoe/config/sections.h"
#include "polymoe/config/yaml_reader.h"

namespace {

std::string merged_dump(const std::string& yaml) {
  polymoe::PlannerOptions options;
  std::vector<polymoe::Section> sections = polymoe::sections_of(options);
  for (const polymoe::Assignment& assignment : polymoe::parse_yaml(yaml, "fuzz")) {
    polymoe::set_option(sections, assignment);
  }
  return polymoe::dump_yaml(sections);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string dump;
  try {
    dump = merged_dump(std::string(reinterpret_cast<const char*>(data), size));
  } catch (const polymoe::Error&) {
    return 0;
  }
  if (merged_dump(dump) != dump) std::abort();
  return 0;
}
