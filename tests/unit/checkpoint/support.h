#pragma once

#include <cstring>
#include <functional>
#include <string>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "polymoe/base/error.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

/// Equal in type, shape and every bit, so that NaNs and signed zeros count too.
inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor left = a.detach().contiguous(), right = b.detach().contiguous();
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         (left.nbytes() == 0 || std::memcmp(left.const_data_ptr(), right.const_data_ptr(), left.nbytes()) == 0);
}

/// The one line of the Error that `action` throws.
template <typename Action>
std::string message_of(Action action) {
  try {
    action();
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  return "no error";
}

/// Runs `action` in a child process; its exit status as waitpid() gives it.
inline int in_child(const std::function<int()>& action) {
  const pid_t child = fork();
  if (child == 0) {
    int code = 99;
    try {
      code = action();
    } catch (...) {
    }
    _exit(code);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

}  // namespace polymoe
