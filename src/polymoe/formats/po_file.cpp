#include "polymoe/formats/po_file.h"

#include <cstdlib>
#include <mutex>
#include <string_view>
#include <utility>

#include <gettext-po.h>
#include <sys/mman.h>
#include <unistd.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/quote.h"
#include "polymoe/formats/document.h"

namespace polymoe {
namespace {

std::mutex turn;

/// What the library complains of; the first error counts.
struct Complaint {
  std::string message;
  std::uint64_t line = 0;
};
Complaint complaint;

void note(int severity, const char* file, std::size_t line, const char* text) {
  if (severity == PO_SEVERITY_WARNING || !complaint.message.empty()) return;
  std::string message = one_line(text);
  while (message.ends_with(' ')) message.pop_back();
  const bool has_line = file != nullptr && line != static_cast<std::size_t>(-1);
  complaint = {std::move(message), has_line ? line : 0};
}

void on_error(int severity, po_message_t, const char* file, std::size_t line, std::size_t, int, const char* text) {
  note(severity, file, line, text);
}

void on_error_pair(int severity, po_message_t, const char* file, std::size_t line, std::size_t, int, const char* text,
                   po_message_t, const char*, std::size_t, std::size_t, int, const char*) {
  note(severity, file, line, text);
}

constexpr po_xerror_handler kHandler = {on_error, on_error_pair};

/// A file in memory: the library reads and writes files by name alone.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("catalogue", MFD_CLOEXEC)) {
    if (descriptor_ < 0) fail_errno("cannot make a file in memory", "");
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string name() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

  void write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t done = ::write(descriptor_, bytes.data(), bytes.size());
      if (done < 0) fail_errno("cannot write a file in memory", "");
      bytes.remove_prefix(static_cast<std::size_t>(done));
    }
  }

 private:
  int descriptor_;
};

}  // namespace

PoFile::PoFile(const std::string& bytes, std::string path) : path_(std::move(path)) {
  check_document_text(bytes, path_);
  const std::lock_guard lock(turn);
  const MemoryFile memory;
  memory.write(bytes);
  complaint = {};
  file_ = po_file_read(memory.name().c_str(), &kHandler);
  if (file_ == nullptr) fail_errno("cannot be read", path_);
  if (!complaint.message.empty()) {
    po_file_free(file_);
    throw Error("not a message catalogue: " + complaint.message, {path_, complaint.line},
                "'msgfmt --check' tells all that is wrong with it");
  }
  for (const char* const* domain = po_file_domains(file_); *domain != nullptr; ++domain) {
    po_message_iterator_t iterator = po_message_iterator(file_, *domain);
    while (po_message_t message = po_next_message(iterator)) {
      if (*po_message_msgid(message) != '\0' || po_message_msgctxt(message) != nullptr) messages_.push_back(message);
    }
    po_message_iterator_free(iterator);
  }
  scratch_ = po_file_create();
  scratch_iterator_ = po_message_iterator(scratch_, nullptr);
  scratch_message_ = po_message_create();
  po_message_set_msgid(scratch_message_, "x");
  po_message_set_msgstr(scratch_message_, "x");
  po_message_insert(scratch_iterator_, scratch_message_);
}

PoFile::~PoFile() {
  const std::lock_guard lock(turn);
  po_message_iterator_free(scratch_iterator_);
  po_file_free(scratch_);
  po_file_free(file_);
}

std::string PoFile::header_field(const char* name) const {
  const char* const header = po_file_domain_header(file_, nullptr);
  if (header == nullptr) return "";
  char* const value = po_header_field(header, name);
  if (value == nullptr) return "";
  std::string text = value;
  std::free(value);
  return text;
}

std::string PoFile::charset() const {
  const std::string type = header_field("Content-Type");
  const std::size_t begin = type.find("charset=");
  if (begin == std::string::npos) return "";
  const std::string charset = type.substr(begin + std::string_view("charset=").size());
  return charset.substr(0, charset.find_first_of(" \t"));
}

std::string PoFile::check(po_message* message, const std::string& source, const std::string& translation) {
  const std::lock_guard lock(turn);
  po_message_set_msgid(scratch_message_, source.c_str());
  po_message_set_msgstr(scratch_message_, translation.c_str());
  for (const char* const* format = po_format_list(); *format != nullptr; ++format) {
    po_message_set_format(scratch_message_, *format, po_message_is_format(message, *format));
  }
  complaint = {};
  po_message_check_all(scratch_message_, scratch_iterator_, &kHandler);
  return complaint.message;
}

std::string PoFile::text() {
  const std::lock_guard lock(turn);
  const MemoryFile memory;
  complaint = {};
  if (po_file_write(file_, memory.name().c_str(), &kHandler) == nullptr || !complaint.message.empty()) {
    throw Error("cannot be written: " + complaint.message, {path_, 0});
  }
  return read_file(memory.name());
}

}  // namespace polymoe
