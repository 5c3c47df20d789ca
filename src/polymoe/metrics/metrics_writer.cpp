#include "polymoe/metrics/metrics_writer.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"

namespace polymoe {

using nlohmann::json;

namespace {

bool comes_after(const json& record, std::int64_t update, bool validated) {
  const auto found = record.find("update");
  if (found == record.end() || !found->is_number()) return false;
  const auto own = found->get<double>();
  const bool of_validation = record.value("type", json()) != "train";
  return own > static_cast<double>(update) || (own == static_cast<double>(update) && of_validation && !validated);
}

}  // namespace

MetricsWriter::MetricsWriter(std::filesystem::path path) : file_(std::move(path)) {
  const std::string content = read_file(file_.path());
  const std::size_t whole = content.rfind('\n') + 1;  // npos + 1 is 0: no line is whole
  if (whole < content.size()) file_.truncate(whole);
}

void MetricsWriter::append(const json& record) {
  // dump() itself writes NaN and infinities as null.
  file_.append(dump_any_json(record) + '\n');
}

std::size_t MetricsWriter::truncate_after_update(std::int64_t update, bool validated) {
  std::size_t dropped = 0;
  AtomicFile shorter(file_.path());
  LineReader reader(file_.path(), kMaxRecordBytes);
  std::string line;
  while (reader.next(line)) {
    const json record = try_parse_json(line);
    if (!record.is_object()) {
      throw Error("not a JSON object", {file_.path(), reader.line_number()}, "remove the damaged line");
    }
    if (comes_after(record, update, validated)) {
      ++dropped;
    } else {
      line.erase(line.find_last_not_of('\r') + 1);  // of which an editor may have left several
      shorter.write(line + '\n');
    }
  }
  shorter.commit();
  file_.reopen();
  return dropped;
}

std::size_t MetricsWriter::clear() {
  const std::string content = read_file(file_.path());
  file_.truncate(0);
  return static_cast<std::size_t>(std::count(content.begin(), content.end(), '\n'));
}

}  // namespace polymoe
