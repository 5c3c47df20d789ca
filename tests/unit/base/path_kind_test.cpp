#include "polymoe/base/path_kind.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

TEST(PathKind, TellsFilesFoldersAndNothing) {
  const fs::path folder = fs::path(::testing::TempDir()) / "path-kind", file = folder / "file", link = folder / "link";
  fs::remove_all(folder);
  fs::create_directory(folder);
  std::ofstream(file) << "x";
  fs::create_symlink(file, link);
  EXPECT_TRUE(path_exists(folder) && is_folder(folder) && !is_plain_file(folder));
  EXPECT_TRUE(path_exists(link) && !is_folder(link) && is_plain_file(link));
  EXPECT_FALSE(path_exists(folder / "none") || is_folder(folder / "none") || is_plain_file(folder / "none"));
  EXPECT_FALSE(path_exists(file / "below"));
}

// A corpus may be named by a long list of files: it is no path, and asking whether it is one must not fail.
TEST(PathKind, WhatIsTooLongForAPathNamesNothing) {
  EXPECT_FALSE(path_exists(std::string(300, 'x')));
  EXPECT_FALSE(is_folder(std::string(5000, 'x')));
}

TEST(PathKind, LinksInACircleAreToldWithThePath) {
  const fs::path link = fs::path(::testing::TempDir()) / "circle";
  fs::remove(link);
  fs::create_symlink(link, link);
  try {
    path_exists(link);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.where().path, link.string());
  }
  fs::remove(link);
}

}  // namespace
}  // namespace polymoe
