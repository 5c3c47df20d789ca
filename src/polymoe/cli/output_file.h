#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace polymoe {
class AtomicFile;
class GzipWriter;
}  // namespace polymoe

namespace polymoe::cli {

/// Where a command's results go: standard output ("-"), or a file that appears when it is whole, compressed where
/// its name ends with ".gz".
class Output {
 public:
  /// Throws Error where the file cannot be made.
  explicit Output(const std::string& path);
  ~Output();

  void write(const std::string& text);
  void finish();

 private:
  std::unique_ptr<AtomicFile> file_;
  std::unique_ptr<GzipWriter> packed_;
};

/// Before the work: refuses to write a result over a file that is not an older result of this kind (`what`: "a
/// report"), and remarks that one is replaced. `is_one` looks at the beginning of the file.
void check_output_file(const std::filesystem::path& path, const char* what,
                       const std::function<bool(std::string_view beginning)>& is_one);

}  // namespace polymoe::cli
