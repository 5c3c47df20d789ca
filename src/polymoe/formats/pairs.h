#pragma once

#include <string>

#include "polymoe/formats/document.h"
#include "polymoe/text/gettext/mo_catalog.h"

namespace polymoe {

/// The translations that a document of kPo, kTmx or kXliff holds, as messages without plural but in kPo; pairs_of()
/// makes training pairs of them. Tags are left out of TMX and XLIFF. `unreviewed`: also those that wait for review
/// (fuzzy entries; in XLIFF the states that say so). What is left out is counted in `passed_over` and logged. Throws
/// Error as read_document() does, and for other formats.
MoCatalog read_translations(DocumentFormat format, const std::string& bytes, const DocumentContext& context,
                            bool unreviewed);

/// One for each format.
MoCatalog read_po_translations(const std::string& bytes, const DocumentContext& context, bool unreviewed);
MoCatalog read_tmx_translations(const std::string& bytes, const DocumentContext& context);
MoCatalog read_xliff_translations(const std::string& bytes, const DocumentContext& context, bool unreviewed);

}  // namespace polymoe
