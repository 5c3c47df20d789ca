#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace polymoe {

/// Reads pieces from a list, one a line as SentencePiece writes them ("▁word", "ing"), or takes those of a
/// SentencePiece model, such as one that `polymoe vocab` learned; marks and tags are left out. Throws Error, with path
/// and line, for a file without any, for a line that can be no piece and for one that is given twice.
std::vector<std::string> read_pieces(const std::filesystem::path& path);

/// Adds pieces to a SentencePiece model, behind its own, which keep their ids and scores: a text without new pieces is
/// split as before.
///
/// Of a unigram model a new piece gets the score of the pieces that the model makes of it so far, and a little more for
/// each that is saved. Of a BPE model, which builds a piece by joining two, it comes behind all others, the later the
/// further down the list it stands, and must be the join of two pieces; see joins_for().
std::string with_pieces(const std::string& model, const std::vector<std::string>& pieces);

/// `pieces` as with_pieces() can add them to a model. Of BPE, each that is more than two pieces so far comes after
/// those that lead to it: "▁a" and "▁ab" before "▁abc". For other models they are `pieces`.
std::vector<std::string> joins_for(const std::string& model, const std::vector<std::string>& pieces);

/// The pieces that `model` splits each of `pieces` into, as they are, without a space in front; characters that it does
/// not know are pieces of their own.
std::vector<std::vector<std::string>> split_pieces(const std::string& model, const std::vector<std::string>& pieces);

/// Adds control symbols, which no text can produce, behind the pieces of a SentencePiece model.
std::string with_control_symbols(const std::string& model, const std::vector<std::string>& symbols);

}  // namespace polymoe
