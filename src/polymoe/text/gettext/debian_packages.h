#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "polymoe/base/progress.h"

namespace polymoe {

/// A Debian package whose message catalogues lie in the cache.
struct CatalogPackage {
  std::string name;
  std::string version;
  std::filesystem::path folder;  ///< holds .../LANG/LC_MESSAGES/NAME.mo
};

/// Makes the message catalogues of Debian packages available in the folder `cache`, sorted by package name. Packages
/// that the cache lacks are downloaded by apt-get (nothing is installed, root is not needed) and only their catalogues
/// are kept; with all of them in the cache, no program runs and no network is used. A package that apt does not know is
/// left out with a warning. Throws Error for a name that is none, when apt is missing or knows no package at all, and
/// for a failed download.
std::vector<CatalogPackage> fetch_catalog_packages(std::vector<std::string> names, const std::filesystem::path& cache,
                                                   const ProgressSink& progress);

}  // namespace polymoe
