#include "polymoe/text/gettext/debian_packages.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <mutex>
#include <sstream>

#include "polymoe/base/atomic_folder.h"
#include "polymoe/base/error.h"
#include "polymoe/base/log.h"
#include "polymoe/base/parallel_for.h"
#include "polymoe/base/process.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/remarks.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

void check_name(const std::string& name) {
  const bool good = name.size() > 1 && name.front() != '-' && name.front() != '.' && name.front() != '+' &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '+';
                    });
  if (!good) {
    throw Error(in_quotes(name) + " is not the name of a Debian package", {},
                "names hold lower-case letters, digits, '-', '.' and '+'");
  }
}

/// The packages in the cache by name. Folders are named like Debian's files: NAME_VERSION_ARCHITECTURE.
std::map<std::string, CatalogPackage> cached_packages(const fs::path& cache) {
  std::map<std::string, CatalogPackage> packages;
  for (const fs::directory_entry& entry : fs::directory_iterator(cache)) {
    const std::string stem = entry.path().filename();
    const std::size_t first = stem.find('_'), last = stem.rfind('_');
    if (!entry.is_directory() || first == last || stem.find(".partial-") != std::string::npos) continue;
    CatalogPackage package{stem.substr(0, first), stem.substr(first + 1, last - first - 1), entry.path()};
    if (const std::size_t colon = package.version.find("%3a"); colon != std::string::npos) {
      package.version.replace(colon, 3, ":");  // file names hold the epoch's colon in this form
    }
    CatalogPackage& known = packages[package.name];
    if (known.folder < package.folder) known = std::move(package);
  }
  return packages;
}

ProcessResult run_apt(const std::vector<std::string>& command, const fs::path& folder,
                      const std::function<void()>& while_waiting = {}) {
  try {
    return run_process(command, folder, while_waiting);
  } catch (const Error& error) {
    throw Error(error.message(), {}, "message catalogues come from Debian's packages, so this needs Debian or Ubuntu");
  }
}

/// The bytes of each package's file, for those of `names` that apt can download.
std::map<std::string, std::uint64_t> downloadable(const std::vector<std::string>& names) {
  std::vector<std::string> command = {"apt-cache", "show", "--no-all-versions"};
  command.insert(command.end(), names.begin(), names.end());
  std::map<std::string, std::uint64_t> sizes;
  std::istringstream lines(run_apt(command, {}).output);
  std::string line, name;
  while (std::getline(lines, line)) {
    if (line.starts_with("Package: ")) name = line.substr(9);
    // Packages that are installed but in no list have no size.
    if (line.starts_with("Size: ")) std::from_chars(line.data() + 6, line.data() + line.size(), sizes[name]);
  }
  return sizes;
}

std::vector<fs::path> package_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".deb") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::uint64_t bytes_under(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code gone;  // apt-get renames files meanwhile
  for (fs::recursive_directory_iterator entry(folder, gone), end; !gone && entry != end; entry.increment(gone)) {
    std::error_code ignored;
    const std::uint64_t size = entry->is_regular_file(ignored) ? entry->file_size(ignored) : 0;
    if (!ignored) bytes += size;
  }
  return bytes;
}

std::string last_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

void download(const std::map<std::string, std::uint64_t>& sizes, const fs::path& folder, const ProgressSink& progress) {
  // Root's apt would hand the download to the user _apt, who may not be allowed to write into this folder.
  std::vector<std::string> command = {"apt-get", "download", "-o", "APT::Sandbox::User=root"};
  std::uint64_t total = 0;
  for (const auto& [name, bytes] : sizes) {
    command.push_back(name);
    total += bytes;
  }
  const auto report = [&](bool finished) {
    if (!progress) return;
    const std::string detail = fmt::format("{} of {} packages", package_files(folder).size(), sizes.size());
    progress({"download", bytes_under(folder) >> 10, total >> 10, "KiB", detail, finished});
  };
  const ProcessResult result = run_apt(command, folder, [&] { report(false); });
  report(true);
  if (result.exit_code != 0) {
    throw Error("apt-get could not download the packages: " + last_line(result.errors), {},
                "check the network, or run 'apt-get update' as root if the package lists are old");
  }
}

/// Unpacks one package file beside itself and moves its catalogues into the cache.
void keep_catalogs(const fs::path& file, const fs::path& cache) {
  const fs::path unpacked = file.parent_path() / file.stem();
  const ProcessResult result = run_process({"dpkg-deb", "-x", file, unpacked});
  if (result.exit_code != 0) {
    throw Error("dpkg-deb could not unpack it: " + last_line(result.errors), {file, 0}, "is the disk full?");
  }
  AtomicFolder kept(cache / file.stem());
  std::size_t count = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(unpacked)) {
    const fs::path& path = entry.path();
    if (!fs::is_regular_file(entry.symlink_status()) || path.extension() != ".mo") continue;
    if (path.parent_path().filename() != "LC_MESSAGES") continue;
    const fs::path target = kept.temporary() / path.lexically_relative(unpacked);
    fs::create_directories(target.parent_path());
    fs::rename(path, target);
    ++count;
  }
  if (count == 0) remark(file.filename().string() + " holds no message catalogues");
  kept.commit();
  fs::remove_all(unpacked);
  fs::remove(file);
}

void unpack_all(const fs::path& folder, const fs::path& cache, const ProgressSink& progress) {
  const std::vector<fs::path> files = package_files(folder);
  std::size_t done = 0;
  std::mutex mutex;
  parallel_for(files.size(), 0, [&](std::size_t i) {
    keep_catalogs(files[i], cache);
    const std::lock_guard lock(mutex);
    ++done;
    if (progress) progress({"unpack", done, files.size(), "packages", files[i].stem(), done == files.size()});
  });
}

void fetch(const std::vector<std::string>& names, bool some_cached, const fs::path& cache,
           const ProgressSink& progress) {
  const std::map<std::string, std::uint64_t> sizes = downloadable(names);
  if (sizes.empty() && !some_cached) {
    throw Error(fmt::format("apt can download none of the {} packages", names.size()), {},
                "run 'apt-get update' as root to get the package lists");
  }
  for (const std::string& name : names) {
    if (!sizes.contains(name)) remark(fmt::format("no package '{}' to download; going on without it", name));
  }
  if (sizes.empty()) return;
  const AtomicFolder scratch(cache / "download");  // never committed: removed whatever happens
  download(sizes, scratch.temporary(), progress);
  unpack_all(scratch.temporary(), cache, progress);
}

}  // namespace

std::vector<CatalogPackage> fetch_catalog_packages(std::vector<std::string> names, const fs::path& cache,
                                                   const ProgressSink& progress) {
  std::for_each(names.begin(), names.end(), check_name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::error_code error;
  fs::create_directories(cache, error);
  if (error) throw Error("cannot create the cache folder: " + error.message(), {cache, 0});

  std::map<std::string, CatalogPackage> cached = cached_packages(cache);
  std::vector<std::string> missing;
  std::copy_if(names.begin(), names.end(), std::back_inserter(missing),
               [&](const std::string& name) { return !cached.contains(name); });
  if (!missing.empty()) {
    fetch(missing, missing.size() < names.size(), cache, progress);
    cached = cached_packages(cache);
  }
  std::vector<CatalogPackage> packages;
  for (const std::string& name : names) {
    if (const auto found = cached.find(name); found != cached.end()) packages.push_back(found->second);
  }
  return packages;
}

}  // namespace polymoe
