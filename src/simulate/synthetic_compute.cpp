#include "simulate/synthetic_compute.hpp"

#include <map>
#include <utility>

namespace pipespec::simulate {

Compute synthetic_compute(SyntheticText text, int stage) {
  std::map<SequenceId, std::vector<SyntheticText::Prefix>> caches;
  return [text = std::move(text), stage, caches](const decoding::Pass& pass, std::span<Token> next) mutable {
    auto& cache = caches[pass.sequence];
    cache.resize(pass.begin);
    text.pass(stage, pass.tokens, cache, next);
  };
}

}  // namespace pipespec::simulate
