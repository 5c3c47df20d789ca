// Any bytes as a vocabulary (a SentencePiece model): an Error, or a vocabulary that turns any text into ids of its own,
// none of them special, and ids into text.

#include <vector>

#include "fuzz/scratch.h"
#include "polymoe/text/vocabulary.h"

namespace {

void use(const polymoe::Vocabulary& vocabulary) {
  std::vector<std::int32_t> every_id;
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) every_id.push_back(id);
  vocabulary.decode(every_id);
  for (const std::string& language : vocabulary.languages()) {
    polymoe::require(vocabulary.is_special(vocabulary.language_tag(language)));
  }
  for (const std::string& task : vocabulary.tasks()) {
    polymoe::require(vocabulary.is_special(vocabulary.task_tag(task)));
  }
  for (const char* const text :
       {"", " ", "mi ren sa", "<mask> <2de> </s>", "\xC3\xA4\xEF\xAC\x81 \xE7\xB5\x82\xE4\xBA\x86",
        "\xFF\xC3 \xF0\x9F\x98", "a\tb\xE2\x96\x81\xE2\x81\x87"}) {
    const std::vector<std::int32_t> ids = vocabulary.encode(text);
    for (const std::int32_t id : ids) {
      polymoe::require(id >= 0 && id < vocabulary.size() && !vocabulary.is_special(id));
    }
    vocabulary.decode(ids);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = polymoe::scratch_folder() / "vocab.model";
  polymoe::put_file(path, polymoe::text_of(data, size));
  polymoe::loads([&] { use(polymoe::Vocabulary::load(path)); });
  return 0;
}
