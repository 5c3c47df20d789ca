#include "polymoe/version.h"

#define POLYMOE_TEXT(number) #number
#define POLYMOE_DOTTED(major, minor, patch) POLYMOE_TEXT(major) "." POLYMOE_TEXT(minor) "." POLYMOE_TEXT(patch)

namespace polymoe {

const char* v0::version() {
  return POLYMOE_DOTTED(POLYMOE_VERSION_MAJOR, POLYMOE_VERSION_MINOR, POLYMOE_VERSION_PATCH);
}

}  // namespace polymoe
