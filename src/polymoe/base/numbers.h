#pragma once

#include <string>

namespace polymoe {

/// Numbers as people read them. A value that is not finite gives "–" everywhere.

/// Rounded to a whole number, with commas: 1234567.8 -> "1,234,568".
std::string with_commas(double value);
/// With a fixed number of decimals: (27.456, 1) -> "27.5".
std::string with_decimals(double value, int decimals);
/// The same with its sign: (2.04, 1) -> "+2.0", (-3, 0) -> "−3".
std::string with_sign(double value, int decimals);
/// From ten thousand on three digits and k, M, B or T: 12345678 -> "12.3 M", 9876 -> "9,876".
std::string with_suffix(double value);
/// A share of one: (0.1234) -> "12.3%".
std::string as_percent(double share);
/// 4521 -> "1 h 15 min", 95 -> "1 min 35 s", 2.34 -> "2.3 s".
std::string as_duration(double seconds);
/// Seconds since 1970 -> "2026-03-01 14:05 UTC".
std::string as_utc(double time);

}  // namespace polymoe
