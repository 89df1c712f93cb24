// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value of type T, or the Error that explains why there is none.
//
// Result is for bad input and refused requests. A program that the verifier
// rejects is not an Error (see VerifierReport), a stopped run is a Trap, and a
// bug in this library is not an Error either (see SKEP_CHECK in base/check.h).
//
// The member names are the std::expected names, so that a later move to C++23
// replaces this file by one alias. Threads: a value type, no shared state.

#ifndef SKEP_RESULT_H_
#define SKEP_RESULT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace skep {

enum class ErrorCode : uint8_t {
  kInvalidArgument,  // the caller broke a documented precondition
  kMalformedObject,  // ELF, BTF, text or relocation bytes make no sense
  kUnsupported,      // well formed, but this build does not implement it
  kUnresolved,       // a map, helper, extern or subprogram was not found
  kResourceLimit,    // a documented limit was reached
  kSystem,           // mmap, open, bpf(2), ... failed; the message carries the errno text
};

// Why something was refused. `message` is one line: lower case, no full stop,
// what was found and what was needed.
struct [[nodiscard]] Error {
  ErrorCode code;
  std::string message;
  // The errno that bpf(2) gives for the same request; 0 where Linux has none.
  int sys_errno = 0;

  // Returns this error with `where` and ": " put before the message.
  Error At(std::string_view where) && {
    message.insert(0, ": ").insert(0, where);
    return std::move(*this);
  }
};

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  // REQUIRES: has_value(). Breaking this aborts.
  T& operator*() & { return *std::get_if<0>(&state_); }
  const T& operator*() const& { return *std::get_if<0>(&state_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }

  // REQUIRES: !has_value().
  Error& error() & { return *std::get_if<1>(&state_); }
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

  // Puts `where` before the message of the error, if there is one.
  Result At(std::string_view where) && {
    if (!has_value()) return std::move(*this).error().At(where);
    return std::move(*this);
  }

 private:
  std::variant<T, Error> state_;
};

// Success without a value.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT: implicit
  bool has_value() const { return ok_; }
  explicit operator bool() const { return ok_; }
  Error& error() & { return error_; }
  const Error& error() const& { return error_; }
  Error&& error() && { return std::move(error_); }
  Result At(std::string_view where) && {
    if (!ok_) return std::move(error_).At(where);
    return {};
  }

 private:
  Error error_{ErrorCode::kInvalidArgument, {}, 0};
  bool ok_ = true;
};

}  // namespace skep

#define SKEP_CAT_2_(a, b) a##b
#define SKEP_CAT_(a, b) SKEP_CAT_2_(a, b)
// SKEP_TRY(auto x, F()) declares x from F()'s value, or returns F()'s error.
#define SKEP_TRY(decl, expr) SKEP_TRY_IMPL_(SKEP_CAT_(skep_try_, __COUNTER__), decl, expr)
#define SKEP_TRY_IMPL_(tmp, decl, expr)    \
  auto tmp = (expr);                       \
  if (!tmp) return std::move(tmp).error(); \
  decl = *std::move(tmp)
// SKEP_TRY_VOID(F()) returns F()'s error if it has one.
#define SKEP_TRY_VOID(expr)                                                                   \
  do {                                                                                        \
    if (auto skep_try_void = (expr); !skep_try_void) return std::move(skep_try_void).error(); \
  } while (false)

#endif  // SKEP_RESULT_H_
