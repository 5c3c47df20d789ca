#pragma once

#include "polymoe/serve/api.h"

namespace polymoe {

/// The page to translate in a browser: one file, nothing fetched from elsewhere, light and dark.
ApiResponse page();

}  // namespace polymoe
