#pragma once

/// The version of these headers, as in `#if POLYMOE_VERSION_MAJOR > 0`.
#define POLYMOE_VERSION_MAJOR 0
#define POLYMOE_VERSION_MINOR 1
#define POLYMOE_VERSION_PATCH 0

/// Whatever these headers declare lives in an inline namespace, so that a program that was compiled against another
/// binary interface fails to link instead of failing as it runs. Write polymoe::Translator, without it.
namespace polymoe {
inline namespace v0 {

/// The version of the library that the program runs with: "0.1.0".
const char* version();

}  // namespace v0
}  // namespace polymoe
