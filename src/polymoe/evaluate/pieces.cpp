#include "polymoe/evaluate/pieces.h"

#include <memory>

#include <fmt/ranges.h>

#include "polymoe/text/piece_model.h"

namespace polymoe {

CustomTokenizer piece_tokenizer(const std::filesystem::path& model) {
  const auto pieces = std::make_shared<const PieceModel>(model);
  return {model.stem().string(),
          [pieces](std::string_view segment) { return fmt::format("{}", fmt::join(pieces->cut(segment), " ")); }};
}

}  // namespace polymoe
