#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

/// The other names of a language that is called by its code of two letters ("de", "zh_TW"), by its code of FLORES-200
/// and NLLB ("deu_Latn"), or by that of ISO 639-3 ("deu", Marian's): those of the three that it was not called by, the
/// most exact first. Empty for other names.
std::vector<std::string> other_names_of(std::string_view language);

}  // namespace polymoe
