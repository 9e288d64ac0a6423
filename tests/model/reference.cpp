#include "model/reference.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace pipespec::testing {
namespace {

using Row = std::vector<double>;

class Reference {
 public:
  Reference(const TinyGguf& gguf, std::span<const Token> tokens) : gguf_(gguf), m_(gguf.model) {
    for (const Token token : tokens) x_.push_back(row("token_embd.weight", token, m_.width));
  }

  std::vector<Row> run() {
    for (int layer = 0; layer < m_.layers; ++layer) {
      prefix_ = "blk." + std::to_string(layer) + ".";
      attend();
      feed_forward();
    }
    std::vector<Row> logits;
    for (const Row& x : x_)
      logits.push_back(multiply(m_.tied ? "token_embd.weight" : "output.weight", norm(x, "output_norm.weight")));
    return logits;
  }

 private:
  Row row(const std::string& name, std::int64_t index, int width) const {
    const auto first = gguf_.values.at(name).begin() + index * width;
    return {first, first + width};
  }

  Row multiply(const std::string& name, const Row& x) const {
    const std::vector<float>& w = gguf_.values.at(name);
    Row y(w.size() / x.size());
    for (std::size_t o = 0; o < y.size(); ++o)
      for (std::size_t i = 0; i < x.size(); ++i) y[o] += double{w[o * x.size() + i]} * x[i];
    return y;
  }

  Row norm(const Row& x, const std::string& name) const {
    double squares = 0;
    for (const double v : x) squares += v * v;
    const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + double{m_.rms_epsilon});
    Row y = row(name, 0, m_.width);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] *= x[i] * scale;
    return y;
  }

  void rotate(Row& heads, std::size_t position) const {
    for (std::size_t i = 0; i < heads.size(); i += 2) {
      const auto in_head = static_cast<double>(i % static_cast<std::size_t>(m_.head_dim));
      double angle = static_cast<double>(position) * std::pow(double{m_.rope_base}, -in_head / m_.head_dim);
      if (m_.rope_factors) angle /= gguf_.values.at("rope_freqs.weight")[static_cast<std::size_t>(in_head / 2)];
      const double a = heads[i], b = heads[i + 1];
      heads[i] = a * std::cos(angle) - b * std::sin(angle);
      heads[i + 1] = a * std::sin(angle) + b * std::cos(angle);
    }
  }

  void attend() {
    std::vector<Row> queries, keys, values;
    for (std::size_t t = 0; t < x_.size(); ++t) {
      const Row h = norm(x_[t], prefix_ + "attn_norm.weight");
      queries.push_back(multiply(prefix_ + "attn_q.weight", h));
      keys.push_back(multiply(prefix_ + "attn_k.weight", h));
      values.push_back(multiply(prefix_ + "attn_v.weight", h));
      rotate(queries[t], t);
      rotate(keys[t], t);
    }
    for (std::size_t t = 0; t < x_.size(); ++t) {
      Row attended;
      for (int head = 0; head < m_.heads; ++head) {
        const Row out = attend_head(queries[t], head, keys, values, t);
        attended.insert(attended.end(), out.begin(), out.end());
      }
      add(x_[t], multiply(prefix_ + "attn_output.weight", attended));
    }
  }

  Row attend_head(const Row& query, int head, const std::vector<Row>& keys, const std::vector<Row>& values,
                  std::size_t last) const {
    const auto dim = static_cast<std::size_t>(m_.head_dim);
    const auto q = static_cast<std::size_t>(head) * dim;
    const auto kv = static_cast<std::size_t>(head / (m_.heads / m_.kv_heads)) * dim;
    Row out(dim);
    double sum = 0;
    for (std::size_t s = 0; s <= last; ++s) {
      double score = 0;
      for (std::size_t i = 0; i < dim; ++i) score += query[q + i] * keys[s][kv + i];
      const double weight = std::exp(score / std::sqrt(static_cast<double>(dim)));
      sum += weight;
      for (std::size_t i = 0; i < dim; ++i) out[i] += weight * values[s][kv + i];
    }
    for (double& v : out) v /= sum;
    return out;
  }

  void feed_forward() {
    for (Row& x : x_) {
      const Row h = norm(x, prefix_ + "ffn_norm.weight");
      Row gate = multiply(prefix_ + "ffn_gate.weight", h);
      const Row up = multiply(prefix_ + "ffn_up.weight", h);
      for (std::size_t i = 0; i < gate.size(); ++i) gate[i] *= up[i] / (1 + std::exp(-gate[i]));
      add(x, multiply(prefix_ + "ffn_down.weight", gate));
    }
  }

  static void add(Row& x, const Row& y) { std::transform(x.begin(), x.end(), y.begin(), x.begin(), std::plus<>()); }

  const TinyGguf& gguf_;
  const TinyModel& m_;
  std::vector<Row> x_;  // [tokens] the residual stream
  std::string prefix_;
};

}  // namespace

std::vector<std::vector<double>> reference_logits(const TinyGguf& gguf, std::span<const Token> tokens) {
  return Reference(gguf, tokens).run();
}

}  // namespace pipespec::testing
