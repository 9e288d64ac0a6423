// The numbers of the table, from samples made so that they are known, and its text.
#include "results/summary.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <sstream>

#include "results/export.hpp"
#include "sample_results.hpp"

namespace pipespec::results {
namespace {

using ::testing::DoubleNear;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Optional;

/// A sample of `tokens` tokens that took `seconds` after the first one, in `passes` decoding passes of the target.
CompletedSample timed(SampleKey key, std::vector<Token> tokens, double seconds, int passes) {
  CompletedSample completed;
  completed.sample.experiment = key.experiment;
  completed.sample.task = key.task;
  completed.sample.index = key.index;
  completed.sample.id = fmt::format("id-{}", key.index);
  completed.sample.start = 10.0 * key.index + 1000 * key.experiment;
  completed.sample.first_token = completed.sample.start + 5;
  completed.sample.end = completed.sample.first_token + seconds;
  StageTrace target;
  const auto step = [&](StepKind kind, int appended) {
    StepRecord record;
    record.kind = kind;
    record.appended = appended;
    target.steps.push_back(record);
  };
  step(StepKind::prefill, 1);
  const int decoded = static_cast<int>(tokens.size()) - 1;
  for (int pass = 0; pass < passes; ++pass)
    step(StepKind::verify, decoded / passes + (pass < decoded % passes ? 1 : 0));
  completed.sample.tokens = std::move(tokens);
  completed.stages = {target};
  return completed;
}

/// Three prompts, the first of each experiment slow because it is cold. The pipeline halves one time, leaves one.
Results example() {
  Results results;
  results.configuration = three_experiments("out");
  results.configuration.experiments.resize(2);
  results.samples = {timed({0, 0, 0}, {1, 2, 3, 4, 5}, 100, 4), timed({0, 0, 1}, {1, 2, 3, 4, 5}, 4, 4),
                     timed({0, 1, 0}, {7, 8, 9}, 2, 2),         timed({1, 0, 0}, {1, 2, 3, 4, 5}, 50, 2),
                     timed({1, 0, 1}, {1, 2, 3, 4, 5}, 2, 2),   timed({1, 1, 0}, {7, 8, 9}, 2, 1)};
  results.samples[2].sample.start += 20;  // after the cold one
  results.samples[5].sample.start += 20;
  for (auto* completed : {&results.samples[2], &results.samples[5]}) {
    completed->sample.first_token = completed->sample.start + 1;
    completed->sample.end = completed->sample.first_token + 2;
  }
  return results;
}

TEST(Summary, times_leave_the_cold_sample_and_the_first_token_out) {
  const auto summaries = summarise(example());
  EXPECT_EQ(summaries[0].samples, 3);
  EXPECT_EQ(summaries[0].tokens, 13);
  EXPECT_THAT(summaries[0].ms_per_token, Optional(DoubleNear(1000.0, 1e-9)));  // 6 s for 6 tokens
  EXPECT_THAT(summaries[0].tokens_per_second, Optional(DoubleNear(1.0, 1e-12)));
  EXPECT_THAT(summaries[1].ms_per_token, Optional(DoubleNear(4000.0 / 6, 1e-9)));
}

TEST(Summary, times_of_samples_decoded_at_once_count_once) {
  Results results = example();
  for (const int i : {1, 2}) {
    results.samples[i].sample.first_token = 2000 + i;
    results.samples[i].sample.end = 2005;
  }
  EXPECT_THAT(summarise(results)[0].tokens_per_second, Optional(DoubleNear(6.0 / 4, 1e-12)));
  results.samples[1].attempt = 1;  // times of two launches do not compare
  EXPECT_THAT(summarise(results)[0].tokens_per_second, Optional(DoubleNear(6.0 / 7, 1e-12)));
}

TEST(Summary, the_only_sample_counts_though_it_is_cold) {
  Results results = example();
  results.samples.resize(1);
  EXPECT_THAT(summarise(results)[0].ms_per_token, Optional(DoubleNear(25'000.0, 1e-6)));
}

TEST(Summary, the_cold_sample_is_the_first_in_time_not_in_order) {
  Results results = example();
  results.samples[0].attempt = 1;  // a later launch decoded it: now id-1 of task 0 was the first
  EXPECT_THAT(summarise(results)[0].ms_per_token, Optional(DoubleNear(102'000.0 / 6, 1e-6)));
}

TEST(Summary, every_replica_has_a_cold_sample) {
  Results results = example();
  results.samples[2].replica = 1;
  results.samples[2].sample.end += 6;
  EXPECT_THAT(summarise(results)[0].ms_per_token, Optional(DoubleNear(1000.0, 1e-9)));  // 4 s for 4 tokens
  results.samples[1].replica = 2;  // nobody has a second one: all count, 100 s for 10 tokens
  EXPECT_THAT(summarise(results)[0].ms_per_token, Optional(DoubleNear(10'000.0, 1e-6)));
}

TEST(Summary, speedups_compare_the_same_prompts) {
  const auto summaries = summarise(example());
  EXPECT_THAT(summaries[1].speedup_median, Optional(DoubleNear(1.5, 1e-12)));  // of 2 and 1
  EXPECT_THAT(summaries[1].speedup_total, Optional(DoubleNear(1.5, 1e-12)));   // 6 s to 4 s
  EXPECT_THAT(summaries[0].speedup_total, Optional(DoubleNear(1.0, 1e-12)));
}

TEST(Summary, a_prompt_that_only_one_experiment_has_completed_is_not_compared) {
  Results results = example();
  results.samples.erase(results.samples.begin() + 2);
  const auto summaries = summarise(results);
  EXPECT_THAT(summaries[1].speedup_total, Optional(DoubleNear(2.0, 1e-12)));
  EXPECT_EQ(summaries[1].compared, 2);
}

TEST(Summary, acceptance_length_is_tokens_a_decoding_pass) {
  const auto summaries = summarise(example());
  EXPECT_THAT(summaries[0].acceptance_length, Optional(DoubleNear(1.0, 1e-12)));
  EXPECT_THAT(summaries[1].acceptance_length, Optional(DoubleNear(10.0 / 5, 1e-12)));
}

TEST(Summary, the_first_difference_is_named) {
  Results results = example();
  results.samples[4].sample.tokens[3] = 99;
  results.samples[5].sample.tokens.push_back(10);
  const auto summaries = summarise(results);
  EXPECT_EQ(summaries[1].compared, 3);
  EXPECT_EQ(summaries[1].identical, 1);
  ASSERT_TRUE(summaries[1].first_difference);
  EXPECT_EQ(summaries[1].first_difference->sample, (SampleKey{1, 0, 1}));
  EXPECT_EQ(summaries[1].first_difference->position, 3);
}

TEST(Summary, an_output_that_ends_early_differs_where_it_ends) {
  Results results = example();
  results.samples[4].sample.tokens.resize(2);
  EXPECT_EQ(summarise(results)[1].first_difference->position, 2);
}

TEST(Summary, without_autoregressive_decoding_nothing_is_compared) {
  Results results = example();
  results.configuration.experiments[0].strategy = config::Strategy::speculative;
  const auto summaries = summarise(results);
  EXPECT_FALSE(summaries[1].speedup_total);
  EXPECT_EQ(summaries[1].compared, 0);
  EXPECT_TRUE(summaries[1].ms_per_token);
}

TEST(Summary, of_no_samples_has_no_numbers) {
  Results results = example();
  results.samples.clear();
  for (const ExperimentSummary& summary : summarise(results)) {
    EXPECT_EQ(summary.tokens, 0);
    EXPECT_FALSE(summary.ms_per_token || summary.speedup_total || summary.speedup_median || summary.acceptance_length);
  }
}

TEST(Table, shows_the_summary) {
  Results results = example();
  results.configuration.experiments[1].label = "the pipeline with a rather long label";
  results.samples[4].sample.tokens[3] = 99;
  EXPECT_EQ("\n" + format_table(results), R"(
                                                            speed-up speed-up   tokens       outputs
experiment                       tokens  ms/token  tokens/s   median    total   a pass     identical
autoregressive                       13  1000.000       1.0     1.00     1.00     1.00        3 of 3
the pipeline with a rather long label
                                     13   666.667       1.5     1.50     1.50     2.00        2 of 3
the pipeline with a rather long label: stages ngram, draft, target
the pipeline with a rather long label: id-1 (humaneval_instruct) differs from autoregressive decoding at output token 3
Times run from the first token to the last, without prefill; the first sample of each experiment
(cold) is left out of them where there are more. Speed-up: against autoregressive decoding of the
same prompts, the median over prompts and of all together. A pass: of the target, without prefill.
)");
}

TEST(Table, says_which_experiments_look_up_in_earlier_outputs) {
  Results results = example();
  EXPECT_THAT(format_table(results), Not(HasSubstr("history")));
  results.configuration.stages[0].lookup.history = 1000;
  EXPECT_THAT(format_table(results), HasSubstr("ngram looks up in the outputs of earlier samples, too (history)"));
}

TEST(Export, writes_one_line_a_sample) {
  Results results = example();
  results.samples.resize(1);
  results.samples[0].sample.text = "a \"b\"\n\xff";
  std::ostringstream out;
  write_samples(out, results, SampleFormat::samples);
  EXPECT_EQ(out.str(),
            R"({"experiment":"autoregressive","strategy":"autoregressive","task":"humaneval_instruct","id":"id-0",)"
            R"("prompt_tokens":0,"tokens":5,"token_ids":[1,2,3,4,5],"text":"a \"b\"\n�","finish":"length",)"
            R"("prefill_seconds":5.0,"seconds":100.0})"
            "\n");
}

TEST(Export, writes_what_the_human_eval_scorer_reads) {
  Results results = example();
  results.samples.resize(1);
  results.samples[0].sample.text = "    return 1";
  std::ostringstream out;
  write_samples(out, results, SampleFormat::human_eval);
  EXPECT_EQ(out.str(), "{\"task_id\":\"id-0\",\"completion\":\"    return 1\"}\n");
}

TEST(Export, tells_tasks_of_one_preset_apart) {
  const config::RunConfig config = three_experiments("out");
  EXPECT_EQ(task_name(config, 0), "humaneval_instruct");
  EXPECT_EQ(task_name(config, 2), "jsonl#2");
}

}  // namespace
}  // namespace pipespec::results
