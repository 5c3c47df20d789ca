#include "polymoe/text/gettext/debian_packages.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/base/log.h"
#include "polymoe/base/remarks.h"
#include "support/temporary_folder.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Puts shell scripts in the place of apt-cache, apt-get and dpkg-deb. They know the packages alpha and beta, and write
/// down how they were called.
class DebianPackages : public ::testing::Test {
 protected:
  DebianPackages() {
    script("apt-cache",
           "for p; do case $p in alpha|beta) printf 'Package: %s\\nSize: 1000\\n\\n' $p;;\n"
           "installed) printf 'Package: installed\\nStatus: install ok installed\\n\\n';; esac; done");
    script("apt-get", "for p; do case $p in alpha|beta) echo package > ${p}_1%3a2.0-1_all.deb;; esac; done");
    script("dpkg-deb",
           "d=$3/usr/share; mkdir -p $d/locale/de/LC_MESSAGES $d/doc; echo mo > $d/locale/de/LC_MESSAGES/a.mo\n"
           "echo text > $d/doc/README; echo mo > $d/doc/stray.mo; ln -s /etc/passwd $d/locale/de/LC_MESSAGES/link.mo");
    old_path_ = std::getenv("PATH");
    setenv("PATH", (folder_.path().string() + "/bin:" + old_path_).c_str(), 1);
    set_strict(false);
    set_log_sink([this](LogLevel, const std::string& message) { log_ += message + "\n"; });
  }
  ~DebianPackages() override {
    setenv("PATH", old_path_.c_str(), 1);
    set_log_sink({});
  }

  void script(const std::string& name, const std::string& body) {
    const std::string path = folder_.write(
        "bin/" + name, "#!/bin/sh\necho \"" + name + " $*\" >> " + (folder_ / "calls").string() + "\n" + body + "\n");
    fs::permissions(path, fs::perms::owner_all);
  }

  std::vector<CatalogPackage> fetch(const std::vector<std::string>& names) {
    return fetch_catalog_packages(names, folder_.path() / "cache", {});
  }

  std::string error_of(const std::vector<std::string>& names) {
    try {
      fetch(names);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  std::vector<std::string> files_in_cache() {
    std::vector<std::string> files;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder_.path() / "cache")) {
      if (!entry.is_directory()) files.push_back(entry.path().lexically_relative(folder_.path() / "cache"));
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  testing::TemporaryFolder folder_;
  std::string old_path_;
  std::string log_;
};

TEST_F(DebianPackages, KeepOnlyTheirCatalogues) {
  const std::vector<CatalogPackage> packages = fetch({"beta", "alpha", "beta"});
  ASSERT_EQ(packages.size(), 2u);
  EXPECT_EQ(packages[0].name, "alpha");
  EXPECT_EQ(packages[0].version, "1:2.0-1");
  EXPECT_EQ(packages[1].name, "beta");
  EXPECT_THAT(files_in_cache(), ElementsAre("alpha_1%3a2.0-1_all/usr/share/locale/de/LC_MESSAGES/a.mo",
                                            "beta_1%3a2.0-1_all/usr/share/locale/de/LC_MESSAGES/a.mo"));
}

TEST_F(DebianPackages, AreDownloadedOnce) {
  fetch({"alpha", "beta"});
  fs::remove(folder_ / "calls");
  EXPECT_EQ(fetch({"alpha", "beta"}).size(), 2u);
  EXPECT_FALSE(fs::exists(folder_ / "calls"));
}

TEST_F(DebianPackages, AreLeftOutWithAWarningWhereAptHasThemNot) {
  EXPECT_EQ(fetch({"alpha", "installed", "unknown"}).size(), 1u);
  EXPECT_THAT(log_, HasSubstr("no package 'installed' to download"));
  EXPECT_THAT(log_, HasSubstr("no package 'unknown' to download"));
  EXPECT_THAT(read_file(folder_ / "calls"), HasSubstr("APT::Sandbox::User=root alpha\n"));
}

TEST_F(DebianPackages, NeedAptsLists) {
  script("apt-cache", "exit 100");
  EXPECT_THAT(error_of({"alpha"}), HasSubstr("run 'apt-get update' as root"));
}

TEST_F(DebianPackages, LeaveNothingBehindWhenADownloadFails) {
  script("apt-get", "echo part > alpha_1_all.deb; echo 'W: slow' >&2; echo 'E: no route to host' >&2; exit 100");
  EXPECT_THAT(error_of({"alpha", "beta"}), HasSubstr("E: no route to host; check the network"));
  EXPECT_THAT(files_in_cache(), ElementsAre());
}

TEST_F(DebianPackages, LeaveNothingBehindWhenUnpackingFails) {
  script("dpkg-deb", "mkdir -p $3; echo x > $3/half.mo; echo 'not a Debian archive' >&2; exit 2");
  EXPECT_THAT(error_of({"alpha"}), HasSubstr("dpkg-deb could not unpack it: not a Debian archive"));
  EXPECT_THAT(files_in_cache(), ElementsAre());
}

TEST_F(DebianPackages, HaveProperNames) {
  for (const char* name : {"", "a", "-o=x", "Alpha", "a b", "../etc", "a_b", "a;b"}) {
    EXPECT_THAT(error_of({name}), HasSubstr("is not the name of a Debian package")) << name;
  }
  EXPECT_FALSE(fs::exists(folder_ / "calls"));
}

TEST_F(DebianPackages, SayWhenTheMachineHasNoApt) {
  setenv("PATH", (folder_ / "nowhere").c_str(), 1);
  EXPECT_THAT(error_of({"alpha"}), HasSubstr("cannot run 'apt-cache': No such file or directory; message catalogues"));
}

}  // namespace
}  // namespace polymoe
