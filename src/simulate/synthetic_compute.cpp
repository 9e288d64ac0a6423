#include "simulate/synthetic_compute.hpp"

#include <map>
#include <utility>

namespace pipespec::simulate {

Compute synthetic_compute(SyntheticText text, int stage) {
  std::map<SequenceId, std::vector<SyntheticText::Prefix>> caches;
  return [text = std::move(text), stage, caches](const decoding::Pass& pass) mutable {
    auto& cache = caches[pass.sequence];
    cache.resize(pass.begin);
    decoding::Guess next{std::vector<Token>(pass.outputs)};
    text.pass(stage, pass.tokens, cache, next.tokens);
    return next;
  };
}

}  // namespace pipespec::simulate
