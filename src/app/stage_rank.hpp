/// What one rank computes with: its model or its shard of one, or a drafter.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "app/job.hpp"
#include "comm/communicator.hpp"
#include "comm/mpi_group.hpp"
#include "comm/word_channel.hpp"
#include "decoding/drafter.hpp"
#include "model/checkpoint.hpp"
#include "model/synthetic_model.hpp"
#include "model/transformer.hpp"
#include "pipeline/shared_model.hpp"
#include "text/tokenizer.hpp"

namespace pipespec::app {

/// What a model's files are opened for. A plan is content with a folder that holds `config.json` alone.
enum class Purpose { run, plan };

/// The files of a rank's stage, opened and checked against the target's; no weights are loaded. Empty for a drafter
/// without a model; a synthetic stage has a tokenizer alone.
struct StageFiles {
  std::shared_ptr<const model::Checkpoint> checkpoint;  ///< for a plan, perhaps an outline
  std::unique_ptr<const text::Tokenizer> tokenizer;     ///< for a plan, null where the folder holds none
  std::vector<Token> draft_vocabulary;                  ///< as model::ModelOptions takes it
  Position context = 0;                                 ///< positions the model has room for
};

/// Opens the model of a stage. UserError if it cannot be run as configured, or if its vocabulary is not the target's
/// (as far as both have a tokenizer).
StageFiles open_stage(const config::RunConfig& config, const config::StageConfig& stage, Purpose purpose);

/// How the configuration wants a stage's model to run.
model::ModelOptions model_options(const config::RunConfig& config, const config::StageConfig& stage,
                                  const StageFiles& files, Position context);

/// A drafter for a stage without a model, which has seen nothing yet.
std::unique_ptr<decoding::Drafter> make_drafter(const config::StageConfig& stage);

/// This rank's part of its stage, loaded. Collective among the ranks of the stage. The leader of several ranks tells
/// the others what to run; they `serve()`.
class StageRank {
 public:
  /// `context`: positions a sequence may take.
  StageRank(const Job& job, const StageFiles& files, Position context);

  /// What the stage's worker drives; null for a drafter without a model.
  model::LanguageModel* language_model();

  /// Threads of the passes to come.
  void set_threads(int threads);

  /// Of a rank that does not lead its stage: computes what the leader says until the leader releases it.
  void serve(const comm::OnPoll& on_poll);

  /// Bytes of the checkpoint that loading has read; 0 without a model.
  std::int64_t bytes_read() const { return shard_ ? shard_->bytes_read() : 0; }

  /// Of the leader: ends the others' serve().
  void release_peers();

 private:
  comm::Communicator comm_;  // of the stage's ranks
  comm::MpiGroup group_;
  std::unique_ptr<model::Transformer> shard_;
  std::unique_ptr<model::SyntheticModel> synthetic_;
  std::optional<comm::WordChannel> commands_;
  std::optional<pipeline::SharedModel> shared_;
};

}  // namespace pipespec::app
