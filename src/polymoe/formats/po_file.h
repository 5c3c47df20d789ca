#pragma once

#include <string>
#include <vector>

struct po_file;
struct po_message;
struct po_message_iterator;

namespace polymoe {

/// A message catalogue in the text format of GNU gettext, read, checked and written by gettext's own library. That
/// library keeps its state in globals: all objects of this class take turns.
class PoFile {
 public:
  /// Throws Error, with the line, for what gettext refuses and for text that is not UTF-8. `path` is for messages.
  PoFile(const std::string& bytes, std::string path);
  ~PoFile();
  PoFile(const PoFile&) = delete;
  PoFile& operator=(const PoFile&) = delete;

  /// All messages but the header entries.
  const std::vector<po_message*>& messages() const { return messages_; }

  /// A field of the header; "" where it is missing.
  std::string header_field(const char* name) const;
  /// The header's charset.
  std::string charset() const;

  /// Why a translation of `source`, one of the message's texts, is none, as `msgfmt --check` has it: directives, line
  /// ends. "" where it is one.
  std::string check(po_message* message, const std::string& source, const std::string& translation);

  /// The whole file.
  std::string text();

 private:
  std::string path_;
  po_file* file_ = nullptr;
  std::vector<po_message*> messages_;
  po_file* scratch_ = nullptr;  // holds one message, for check()
  struct po_message_iterator* scratch_iterator_ = nullptr;
  po_message* scratch_message_ = nullptr;
};

}  // namespace polymoe
