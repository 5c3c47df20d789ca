#include "polymoe/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <optional>
#include <utility>

#include "polymoe/base/error.h"
#include "polymoe/base/log.h"
#include "polymoe/optim/schedule.h"
#include "polymoe/report/html_report.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/train/recorder.h"
#include "polymoe/train/run_state.h"
#include "polymoe/train/setup.h"
#include "polymoe/train/train_records.h"
#include "polymoe/train/validation.h"
#include "polymoe/train/validation_report.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

}  // namespace

struct Trainer::State {
  State(const RunOptions& given, Communicator& all)
      : world(all),
        setup(given, world),
        options(setup.options),
        validator(setup.dataset, options, setup.stream.shares()),
        run(setup),
        train(run.train),
        counters(run.counters) {
    const bool validated = counters.validated_update == train.update;
    on_rank0(world, [&] {
      recorder.emplace(output(), options.train.tensorboard, train.update, validated, !run.folder.latest());
    });
  }

  bool is_first() const { return world.rank() == 0; }
  fs::path output() const { return options.train.output; }

  // By updates or by time, whichever is further.
  TrainingShare training_share() const {
    const TrainOptions& t = options.train;
    const auto of_updates = [&](std::int64_t updates) {
      return static_cast<double>(updates) / static_cast<double>(std::max<std::int64_t>(1, t.max_updates));
    };
    const auto of_time = [&](double seconds) { return t.max_minutes > 0 ? seconds / (60.0 * t.max_minutes) : 0.0; };
    return {std::max(of_updates(train.update + 1), of_time(counters.seconds)),
            std::max(of_updates(options.optimizer.warmup_updates), of_time(counters.warmup_seconds))};
  }

  // The processes go by the first one's clock, and all stop where one was asked to; their processor time is added to
  // `cpu_seconds_before`. True: to stop.
  bool agree(const std::atomic<bool>& stop, double cpu_seconds_before) {
    const double cpu_seconds = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
    const at::Tensor mine =
        at::tensor(std::vector<double>{counters.seconds, stop.load() ? 1.0 : 0.0, cpu_seconds}, at::kDouble);
    const at::Tensor all = at::empty({world.size(), 3}, at::kDouble);
    world.all_gather(mine, all);
    counters.seconds = all[0][0].item<double>();
    counters.cpu_seconds = cpu_seconds_before + all.select(1, 2).sum().item<double>();
    return all.select(1, 1).max().item<double>() > 0;
  }

  std::string reason_to_end(bool stop) const {
    const TrainOptions& t = options.train;
    if (stop) return "asked to stop";
    if (train.update >= t.max_updates) return "train.max-updates reached";
    if (t.max_minutes > 0 && counters.seconds >= 60.0 * t.max_minutes) return "train.max-minutes reached";
    if (t.early_stopping > 0 && counters.validations_without_best >= t.early_stopping) {
      return fmt::format("{} validations without a better one", counters.validations_without_best);
    }
    return {};
  }

  // The micro-batches of the next update that are this process's.
  std::vector<MicroBatch> next_batches() {
    std::vector<MicroBatch> mine;
    for (std::int64_t i = 0; i < options.train.micro_batches; ++i) {
      if (i % train.layout.data_parallel_size() == train.layout.data_parallel_rank()) {
        mine.push_back(setup.stream.next());
      } else {
        setup.stream.skip();
      }
    }
    return mine;
  }

  void one_update(double learning_rate) {
    const std::vector<MicroBatch> mine = next_batches();
    const auto begin = Clock::now();
    const std::map<std::string, Traffic> before = traffic_of(train.groups);
    const StepReport report = train_step(train, mine, options, learning_rate);
    run.window.add(report, std::chrono::duration<double>(Clock::now() - begin).count());
    for (const auto& [group, sent] : traffic_of(train.groups)) {
      run.window.traffic[group].bytes += sent.bytes - before.at(group).bytes;
      run.window.traffic[group].seconds += sent.seconds - before.at(group).seconds;
    }
    counters.target_tokens += report.all_target_tokens;
    if (report.update.skipped) {
      count_skipped();
    } else {
      run.skipped_in_a_row = 0;
    }
  }

  void count_skipped() {
    ++counters.skipped_updates;
    ++run.skipped_in_a_row;
    if (train.loss_scale.is_dynamic()) {  // which ends by itself where no scale helps
      log_info("update {}: overflow in float16; skipped, and the loss scale is {} now", train.update,
               train.loss_scale.value());
      return;
    }
    log_warning("update {}: the gradient is not finite; skipped (lower optimizer.learning-rate if it goes on)",
                train.update);
    if (options.train.max_skipped > 0 && run.skipped_in_a_row >= options.train.max_skipped) {
      end_as_diverged(fmt::format("{} updates in a row had no finite gradient", run.skipped_in_a_row));
    }
  }

  // All processes find it at the same place; nothing is saved any more.
  void end_as_diverged(const std::string& what) const {
    const std::optional<fs::path> last = run.folder.newest();
    run_collectively(world, [&] {
      throw Error(fmt::format("the training has diverged: {}", what), {},
                  fmt::format("lower optimizer.learning-rate, lengthen optimizer.warmup-updates or set "
                              "optimizer.clip-norm; {}",
                              last ? "the last checkpoint is " + last->string() : "nothing was saved before"));
    });
  }

  void record_window(double learning_rate) {
    run.folder.check();
    const Window all = run.window.over_all(train.layout, task_names(setup.dataset.vocabulary()).size());
    std::map<std::string, double> peaks = memory_peaks(setup.memory, world);
    run.window = {};
    if (!is_first()) return;
    TrainRecord record = train_record(all, run, setup, learning_rate);
    record.memory = std::move(peaks);
    recorder->add(record);
  }

  // Every process goes through the same segments, so that all meet at the experts; the first one's figures count, and
  // its choices in a beam: floats of unlike machines might choose otherwise, and then the processes would part.
  void validate_now() {
    if (validator.empty()) return;
    train.swap_averages();  // where they are kept, they are what is measured and saved as the best
    validate_weights();
    train.swap_averages();
    counters.validated_update = train.update;
  }

  void validate_weights() {
    train.sync.begin_inference();
    const auto as_first_does = [&](const at::Tensor& decision) { world.broadcast(decision, 0); };
    ValidationReport report = validator.run(train.model, train.update, as_first_does);
    train.sync.end_inference();
    const at::Tensor figures = at::tensor(
        std::vector<double>{report.validation_metric(options.train.keep_best), report.record.loss}, at::kDouble);
    world.broadcast(figures, 0);
    const double validation_metric = figures[0].item<double>();
    if (!std::isfinite(figures[1].item<double>())) end_as_diverged("the validation loss is not finite");
    const bool best = !counters.best || validation_metric > *counters.best;
    counters.validations_without_best = best ? 0 : counters.validations_without_best + 1;
    if (best) counters.best = validation_metric;
    report.record.best = best;
    if (is_first()) {
      recorder->add(report.record);
      if (report.experts) recorder->add(*report.experts);
      if (report.samples) recorder->add(*report.samples);
    }
    if (best) run.save_best();
  }

  void record_start() {
    if (!is_first()) return;
    const RunRecord record = run_record(run, setup);
    recorder->add(record);
    log_info("{:.0f} parameters, {:.0f} of them active for a token; {} directions; {} threads", record.parameters,
             record.active_parameters, record.directions.size(), at::get_num_threads());
    if (const FileTier* files = train.store.files()) {
      log_info("{:.1f} GB of state in a file, moved by {}", static_cast<double>(files->bytes()) / 1e9, files->engine());
    }
    const Degrees& degrees = train.layout.degrees();
    if (world.size() > 1) {
      log_info("{} processes: data {} x expert {} x model {}, ZeRO stage {}", world.size(), degrees.data,
               degrees.expert, degrees.tensor, options.parallel.zero_stage);
    }
  }

  void show(const ProgressSink& progress, const TokenLoss& loss, bool finished) const {
    if (!progress) return;
    const TrainOptions& t = options.train;
    Progress report{
        "train", static_cast<std::uint64_t>(train.update), static_cast<std::uint64_t>(t.max_updates), "updates", "",
        finished};
    if (t.max_minutes > 0) {
      report.done = static_cast<std::uint64_t>(counters.seconds);
      report.total = static_cast<std::uint64_t>(60.0 * t.max_minutes);
      report.unit = "seconds";
    }
    report.detail = fmt::format("update {}, loss {:.3f}, {:.0f} tokens/s", train.update,
                                loss.loss / static_cast<double>(std::max<std::int64_t>(1, loss.tokens)),
                                static_cast<double>(run.window.all_target_tokens) / std::max(1e-9, run.window.seconds));
    progress(report);
  }

  // Weights whose gradient is not finite may be what makes the run diverge: those of before stay the newest ones. At
  // the end they are saved all the same, for a skipped update has not changed them.
  void save_on_the_way() {
    if (run.skipped_in_a_row == 0) return run.save();
    log_info("not saved after update {}: its gradient was not finite", train.update);
  }

  TrainSummary loop(const std::atomic<bool>& stop, const ProgressSink& progress) {
    if (!run.folder.latest() || !run.has_metrics) record_start();
    const TrainOptions& t = options.train;
    TrainSummary summary;
    const double seconds_before = counters.seconds, cpu_seconds_before = counters.cpu_seconds;
    const auto begin = Clock::now();
    const auto read_clock = [&] {
      counters.seconds = seconds_before + std::chrono::duration<double>(Clock::now() - begin).count();
    };
    while (true) {
      summary.interrupted = agree(stop, cpu_seconds_before);
      if (train.update == options.optimizer.warmup_updates) counters.warmup_seconds = counters.seconds;
      summary.reason = reason_to_end(summary.interrupted);
      if (!summary.reason.empty()) break;
      const double learning_rate = learning_rate_at(options.optimizer, train.update + 1, training_share());
      one_update(learning_rate);
      read_clock();
      if (is_first()) show(progress, run.window.total(), false);
      if (train.update % t.log_freq == 0) record_window(learning_rate);
      if (t.valid_freq > 0 && train.update % t.valid_freq == 0) validate_now();
      if (t.save_freq > 0 && train.update % t.save_freq == 0 && train.update < t.max_updates) save_on_the_way();
      read_clock();
    }
    if (!summary.interrupted && counters.validated_update != train.update) validate_now();
    run.save();
    read_clock();
    on_rank0(world, [&] { write_html_report({output()}, output() / "report.html"); });
    summary.updates = train.update;
    summary.seconds = counters.seconds;
    summary.checkpoint = output() / checkpoint_name(train.update);
    return summary;
  }

  Communicator& world;
  TrainSetup setup;
  const RunOptions& options;
  Validator validator;
  RunState run;
  TrainState& train;
  RunCounters& counters;
  std::optional<Recorder> recorder;  // the first process's
};

Trainer::Trainer(const RunOptions& options, Communicator& world) : state_(std::make_unique<State>(options, world)) {}
Trainer::~Trainer() = default;

TrainSummary Trainer::run(const std::atomic<bool>& stop, const ProgressSink& progress) {
  return state_->loop(stop, progress);
}

}  // namespace polymoe
