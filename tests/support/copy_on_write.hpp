/// A value that copies share until one of them is about to change.
#pragma once

#include <memory>
#include <utility>

namespace pipespec::testing {

/// Behaves as a T: copies are independent. One thread only.
template <class T>
class CopyOnWrite {
 public:
  explicit CopyOnWrite(T value) : value_(std::make_shared<T>(std::move(value))) {}

  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_.get(); }

  T& write() {
    if (value_.use_count() > 1) value_ = std::make_shared<T>(std::as_const(*value_));
    return *value_;
  }

 private:
  std::shared_ptr<T> value_;
};

}  // namespace pipespec::testing
