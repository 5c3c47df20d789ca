// Any text as a config.json and a generation_config.json: a clear error, or options that are valid and, where a class
// has them, are written and read as the same.

#include <cstddef>
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "fuzz/scratch.h"
#include "polymoe/base/json_text.h"
#include "polymoe/config/decode_options.h"
#include "polymoe/config/validate.h"
#include "polymoe/interchange/foreign_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  polymoe::DecodeOptions decode;
  polymoe::loads([&] {
    polymoe::read_generation_config(text, "generation_config.json", decode);
    polymoe::validate(decode);
  });
  polymoe::loads([&] {
    const polymoe::ForeignConfig config = polymoe::parse_foreign_config(text, "config.json");
    polymoe::validate(config.model);
    polymoe::ForeignConfig written{polymoe::class_for(config.model), config.model, config.ids};
    const std::string once = polymoe::dump_json(polymoe::write_foreign_config(written));
    const polymoe::ForeignConfig again = polymoe::parse_foreign_config(once, "config.json");
    polymoe::require(again.kind == written.kind && again.ids == written.ids);
    polymoe::require(polymoe::dump_json(polymoe::write_foreign_config(again)) == once);
  });
  return 0;
}
