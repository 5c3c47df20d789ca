#pragma once

#include <string>
#include <vector>

namespace polymoe {

/// A table whose cells are coloured by value, from `low` (no colour) to `high` (full colour).
struct HeatMap {
  std::string title;
  std::string corner;  ///< heading of the rows' labels
  std::vector<std::string> rows;
  std::vector<std::string> columns;
  std::vector<std::vector<double>> values;  ///< [rows, columns]; what is not finite stays empty
  double low = 0.0;
  double high = 1.0;
  int decimals = 1;                             ///< of the values as shown
  std::vector<std::string> extra_columns;       ///< further columns without colour
  std::vector<std::vector<std::string>> extra;  ///< [rows, extra columns]
  bool total = false;                           ///< the last row sums up the others
  bool wide = false;                            ///< takes the width of the page
};

/// A <figure> with the table; "" where it has no rows or columns. Up to 16 columns show their values, more columns
/// only as tooltips.
std::string render(const HeatMap& map);

/// The colour scale from 0 to `high` with a note, as a line of HTML. All arguments are shown as they are.
std::string heat_legend(const std::string& low, const std::string& high, const std::string& note);

}  // namespace polymoe
