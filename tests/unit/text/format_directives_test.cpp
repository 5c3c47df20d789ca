#include "polymoe/text/format_directives.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(FormatDirectives, FindsThoseOfEachLanguage) {
  EXPECT_THAT(directives_of("%s: %-5.2f of %'ld%%"), ElementsAre("%'ld", "%-5.2f", "%s"));
  EXPECT_THAT(directives_of("%(name)s has {count} and {0:>5}"), ElementsAre("%(name)s", "{count}"));
  EXPECT_THAT(directives_of("Copy %1 to %2."), ElementsAre("%1", "%2"));
  EXPECT_THAT(directives_of("%{url} $HOME ${dir}"), ElementsAre("$HOME", "${dir}", "%{url}"));
  EXPECT_THAT(directives_of("%<const%> in %qE"), ElementsAre("%<", "%>", "%qE"));
}

TEST(FormatDirectives, LeavesTextAlone) {
  EXPECT_THAT(directives_of("100% of it costs 5 $ {maybe more}"), IsEmpty());
  EXPECT_THAT(directives_of("50 %"), IsEmpty());
  EXPECT_THAT(directives_of("%"), IsEmpty());
  EXPECT_THAT(directives_of("%("), IsEmpty());
  EXPECT_THAT(directives_of("${"), IsEmpty());
}

TEST(FormatDirectives, ComparesWithoutPositions) {
  EXPECT_TRUE(same_directives("%s of %d", "%2$d von %1$s"));
  EXPECT_TRUE(same_directives("no directives", "keine"));
  EXPECT_FALSE(same_directives("%s of %s", "%s"));
  EXPECT_FALSE(same_directives("%d files", "%s Dateien"));
  EXPECT_FALSE(same_directives("all files", "%s Dateien"));
}

TEST(FormatDirectives, CanBeRemoved) {
  EXPECT_EQ(without_directives("%s: cannot open '%s'"), " : cannot open ' '");
  EXPECT_EQ(without_directives("100%% sure"), "100%% sure");
}

}  // namespace
}  // namespace polymoe
