#include "app/stage_rank.hpp"

#include <numeric>

#include "app/draft_vocabulary.hpp"
#include "app/synthetic_stages.hpp"
#include "core/error.hpp"
#include "text/synthetic_tokenizer.hpp"

namespace pipespec::app {

using config::DrafterKind;

namespace {

model::WeightFormat weight_format(config::Weights weights) {
  switch (weights) {
    case config::Weights::native:
      return model::WeightFormat::native;
    case config::Weights::bf16:
      return model::WeightFormat::bf16;
    case config::Weights::f32:
      return model::WeightFormat::f32;
    case config::Weights::int8:
      return model::WeightFormat::int8;
    case config::Weights::int4:
      return model::WeightFormat::int4;
  }
  throw ContractError("a weight format that has no meaning");
}

std::optional<ops::KvType> kv_type(config::KvCache kv_cache) {
  switch (kv_cache) {
    case config::KvCache::automatic:
      return std::nullopt;
    case config::KvCache::int8:
      return ops::KvType::int8;
    case config::KvCache::f16:
      return ops::KvType::f16;
    case config::KvCache::f32:
      return ops::KvType::f32;
  }
  throw ContractError("a kind of KV cache that has no meaning");
}

std::vector<int> ranks_but(int excluded, int size) {
  std::vector<int> ranks(size);
  std::iota(ranks.begin(), ranks.end(), 0);
  ranks.erase(ranks.begin() + excluded);
  return ranks;
}

/// Under a target with a model it guesses at random, but from the target's tokens.
StageFiles open_synthetic(const config::RunConfig& config, const config::SyntheticConfig& synthetic) {
  constexpr Position context = 1 << 24;
  const config::StageConfig& target = config.stages.back();
  if (target.has_weights() && text::has_tokenizer(target.model)) {
    const int known = text::load_tokenizer(target.model)->vocabulary_size();
    validate(synthetic.vocabulary <= known, "a vocabulary of {} tokens (the target has {}): write a smaller one",
             synthetic.vocabulary, known);
  }
  StageFiles files;
  files.tokenizer = std::make_unique<text::SyntheticTokenizer>(synthetic.vocabulary);
  files.context = context;
  return files;
}

}  // namespace

StageFiles open_stage(const config::RunConfig& config, const config::StageConfig& stage, Purpose purpose) try {
  StageFiles files;
  if (stage.synthetic) return open_synthetic(config, *stage.synthetic);
  if (!stage.has_weights()) return files;
  const bool is_plan = purpose == Purpose::plan;
  files.checkpoint = is_plan ? model::Checkpoint::outline(stage.model) : model::Checkpoint::open(stage.model);
  const model::Architecture& architecture = files.checkpoint->architecture();
  files.context = architecture.context;
  model::check_weight_format(*files.checkpoint, weight_format(stage.weights));
  model::select_layers(stage.layers.value_or(std::vector<int>()), architecture.layers, stage.model);
  if (!is_plan || text::has_tokenizer(stage.model)) files.tokenizer = text::load_tokenizer(stage.model);
  if (const auto& draft = stage.draft_vocabulary) {
    const auto ends = files.tokenizer ? files.tokenizer->end_tokens() : std::span<const Token>();
    files.draft_vocabulary = draft_tokens(*draft, architecture.vocabulary, ends);
  }
  if (!files.tokenizer) return files;
  const int known = files.tokenizer->vocabulary_size();
  validate(known <= architecture.vocabulary, "{} has a tokenizer of {} tokens and a model of {}: get the files again",
           stage.model, known, architecture.vocabulary);
  validate(
      !files.tokenizer->end_tokens().empty(),
      "{} names no end token (generation_config.json, config.json or tokenizer_config.json do): get the files again",
      stage.model);
  const config::StageConfig& target = config.stages.back();
  if (stage.model == target.model || (is_plan && !text::has_tokenizer(target.model))) return files;
  const auto difference = text::vocabulary_difference(*files.tokenizer, *text::load_tokenizer(target.model));
  validate(!difference, "the vocabulary of {} is not that of the target {} ({}): draft with a model of the same family",
           stage.model, target.model, difference.value_or(""));
  return files;
} catch (const UserError& error) {
  reject("{}: {}", stage.where, error.what());  // the files do not know who asked for them
}

model::ModelOptions model_options(const config::RunConfig& config, const config::StageConfig& stage,
                                  const StageFiles& files, Position context) {
  return {.weights = weight_format(stage.weights),
          .kv_cache = kv_type(stage.kv_cache),
          .layers = stage.layers.value_or(std::vector<int>()),
          .slots = config::most_sequences_in_flight(config),
          .context = context,
          .threads = std::max(1, stage.threads),
          .sampling = config.generation.sampling,
          .draft_vocabulary = files.draft_vocabulary,
          .tells_probabilities = &stage != &config.stages.back()};
}

std::unique_ptr<decoding::Drafter> make_drafter(const config::StageConfig& stage) {
  const config::PromptLookupConfig& lookup = stage.lookup;
  return std::make_unique<decoding::PromptLookup>(decoding::PromptLookup::Options{
      .min_match = lookup.min_match, .max_match = lookup.max_match, .history = lookup.history});
}

StageRank::StageRank(const Job& job, const StageFiles& files, Position context)
    : comm_(job.world.split(job.place.replica * job.topology.stages() + job.place.stage.value)), group_(comm_) {
  const config::StageConfig& stage = job.stage();
  if (stage.drafter == DrafterKind::prompt_lookup) return;
  if (stage.synthetic) {
    const int place = synthetic_place(job.config, job.place.stage.value);
    const model::SyntheticTimes times{stage.synthetic->pass_ms * 1e-3, stage.synthetic->row_ms * 1e-3};
    synthetic_ = std::make_unique<model::SyntheticModel>(synthetic_text(job.config), place, times,
                                                         config::most_sequences_in_flight(job.config), context);
    return;
  }
  const bool is_shared = comm_.size() > 1;
  shard_ = std::make_unique<model::Transformer>(files.checkpoint, model_options(job.config, stage, files, context),
                                                is_shared ? &group_ : nullptr);
  if (!is_shared) return;
  const std::vector<int> peers = job.place.is_leader() ? ranks_but(0, comm_.size()) : std::vector<int>{0};
  commands_.emplace(comm_, peers, comm::Tag::stage_command);
  if (job.place.is_leader()) shared_.emplace(*shard_, *commands_, peers);
}

model::LanguageModel* StageRank::language_model() {
  if (synthetic_) return synthetic_.get();
  return shared_ ? static_cast<model::LanguageModel*>(&*shared_) : shard_.get();
}

void StageRank::set_threads(int threads) {
  if (shard_) shard_->set_threads(threads);
}

void StageRank::serve(const comm::OnPoll& on_poll) {
  pipeline::serve_shared_model(*shard_, *commands_, 0, on_poll);
}

void StageRank::release_peers() {
  if (shared_) shared_->release_peers();
}

}  // namespace pipespec::app
