#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <functional>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/remarks.h"
#include "checkpoint/model_checkpoint.h"
#include "comm/hosts.h"
#include "config/describe.h"
#include "data/dataset.h"
#include "data/stream.h"
#include "decode/translator.h"
#include "nn/device.h"
#include "nn/device_memory.h"
#include "nn/torch_headers.h"
#include "optim/schedule.h"
#include "plan/check.h"
#include "report/html_report.h"
#include "train/changes.h"
#include "train/recorder.h"
#include "train/run_folder.h"
#include "train/run_meta.h"
#include "train/step.h"
#include "train/validation.h"
#include "train/validation_report.h"
#include "train/window.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

std::string config_text(RunOptions& options) { return dump_yaml(sections_of(options)); }

// Every process reads the same options and files: a mistake in them is told once, as nobody's in particular.
template <typename Make>
auto made_together(Communicator& world, const Make& make) {
  std::optional<decltype(make())> made;
  together(world, [&] { made.emplace(make()); });
  return std::move(*made);
}

}  // namespace

struct Trainer::State {
  State(RunOptions given, Communicator& all)
      : world(all),
        options(made_together(world, [&] { return prepare_options(given); })),
        memory(open_device(options.train.device, options.train.deterministic), to_bytes(options.train.device_memory),
               to_bytes(options.train.host_memory)),
        dataset(made_together(world, [&] { return open_dataset(); })),
        stream(made_together(world, [&] { return open_stream(); })),
        folder(world, options),
        train(checked_options(), world),
        validator(dataset, options, stream.shares()) {
    has_metrics = folder.has("metrics.jsonl");
    if (folder.latest() && !has_metrics) {
      on_first([&] { remark("is gone; the records begin here", {output() / "metrics.jsonl", 0}); });
    }
    start_or_resume();
    const bool validated = counters.validated_update == train.update;
    on_first([&] { recorder.emplace(output(), options.train.tensorboard, train.update, validated, !folder.latest()); });
  }

  bool is_first() const { return world.rank() == 0; }

  // Work on the run's folder, which is the first process's alone; where it fails, all processes fail.
  void on_first(const std::function<void()>& work) const {
    together(world, [&] {
      if (is_first()) work();
    });
  }

  static std::int64_t to_bytes(double gigabytes) { return static_cast<std::int64_t>(gigabytes * 1e9); }

  static RunOptions prepare_options(RunOptions given) {
    if (given.data.path.empty()) fail("data.path: name the folder that `polymoe prepare` made");
    if (given.train.output.empty()) fail("train.output: name the folder for checkpoints and metrics");
    if (given.train.threads > 0) at::set_num_threads(static_cast<int>(given.train.threads));
    return given;
  }

  // Opens the dataset and completes the options with what it says of the model.
  Dataset open_dataset() {
    Dataset opened(options.data.path);
    if (options.train.verify && is_first()) opened.verify();
    const std::int64_t vocabulary = opened.vocabulary().size();
    if (options.model.vocabulary != 0 && options.model.vocabulary != vocabulary) {
      fail("model.vocabulary: {} given, but the dataset's vocabulary has {} entries; leave the key out",
           options.model.vocabulary, vocabulary);
    }
    options.model.vocabulary = vocabulary;
    options.model.max_positions = std::max(options.model.max_positions, options.data.max_length + 2);
    return opened;
  }

  BatchStream open_stream() const {
    return {dataset, options.data, options.train.max_tokens, static_cast<std::uint64_t>(options.train.seed)};
  }

  // The options, after a look at whether what they ask for fits: before the model is made.
  const RunOptions& checked_options() const {
    const std::int64_t here = processes_here(world);
    together(world, [&] {
      MemoryLimits limits{to_bytes(options.train.device_memory), to_bytes(options.train.host_memory)};
      if (options.train.device == "cpu") limits.together = available_bytes() / here;
      const std::string warning =
          check_memory(options, resolve_degrees(options.parallel, options.model, world.size()), limits);
      if (!warning.empty()) log_warning("{}", warning);
    });
    return options;
  }

  std::vector<Direction> training_directions() const {
    std::vector<Direction> directions;
    for (const BatchStream::Share& share : stream.shares()) {
      if (share.task == Task::kTranslation) directions.push_back(share.direction);
    }
    return directions;
  }

  fs::path output() const { return options.train.output; }

  // Starting, saving, resuming ------------------------------------------------------------------------------------

  // Checkpoints pass through host memory.
  static MemoryScope on_host() { return MemoryScope(MemoryKind::kParameters, /*on_host=*/true); }

  void start_or_resume() {
    const MemoryScope scope = on_host();
    folder.write_basics(config_text(options));
    if (folder.latest()) {
      resume(Checkpoint::open(*folder.latest(), Check::kHeaders));
      return;
    }
    if (!folder.init()) return;
    const Checkpoint checkpoint = Checkpoint::open(*folder.init(), Check::kHeaders);
    read_model(checkpoint, train);
    log_info("weights from {}", checkpoint.path().string());
    train.store.start_averages();
    if (options.train.init_optimizer) take_optimizer(checkpoint);
  }

  void take_optimizer(const Checkpoint& checkpoint) {
    const auto steps = checkpoint.meta().find("adam_steps");
    if (checkpoint.names("optimizer").empty() || steps == checkpoint.meta().end() || !steps->is_number_integer()) {
      throw Error("holds no optimiser state", {checkpoint.path(), 0}, "leave --init-optimizer out");
    }
    read_optimizer(checkpoint, train);
    train.adam.set_steps(steps->get<std::int64_t>());
  }

  void resume(const Checkpoint& checkpoint) {
    read_model(checkpoint, train);
    read_optimizer(checkpoint, train);
    try {
      restore_run(checkpoint.meta(), options, train, counters, stream);
      const auto saved = checkpoint.meta().find("window");  // older checkpoints lack it
      if (saved != checkpoint.meta().end()) window = window_from_json(*saved, is_first());
    } catch (const nlohmann::json::exception& error) {
      throw Error(fmt::format("cannot resume from it: {}", error.what()), {checkpoint.path(), 0},
                  "train into another folder with --init, to start from its weights");
    }
    saved_update = train.update;
    saved_validation = counters.validated_update;
    take_best(checkpoint);
    log_changes(checkpoint, options);
    log_info("resuming after update {} from {}", train.update, checkpoint.path().string());
  }

  // What was best so far counts no more where it was measured otherwise, or is gone.
  void take_best(const Checkpoint& checkpoint) {
    if (!counters.best) return;
    const std::string before = options_of(checkpoint).train.keep_best;
    std::string reason;
    if (before != options.train.keep_best) {
      reason = fmt::format("train.keep-best is {} now and was {}", options.train.keep_best, before);
    } else if (!folder.has(kBestCheckpoint)) {
      reason = fmt::format("{} is gone", kBestCheckpoint);
    }
    if (reason.empty()) return;
    on_first([&] { remark(reason + "; the next validation counts as the best so far", {output(), 0}); });
    counters.best.reset();
    counters.validations_without_best = 0;
  }

  std::size_t num_tasks() const { return task_names(dataset.vocabulary()).size(); }

  nlohmann::json meta() {
    nlohmann::json meta = run_meta(train, counters, stream, config_text(options));
    meta.update(vocabulary_meta(read_file(fs::path(options.data.path) / "vocab.model")));
    return meta;
  }

  void save() {
    const fs::path path = output() / checkpoint_name(train.update);
    // A validation after the last save has changed what the run knows of its best.
    if (saved_update == train.update && saved_validation == counters.validated_update) return;
    if (skipped_in_a_row > 0) {
      log_info("not saved after update {}: its gradient was not finite", train.update);
      return;
    }
    folder.check();
    const MemoryScope scope = on_host();
    CheckpointWriter writer(world, path);
    add_model(writer, train);
    add_optimizer(writer, train);
    window.move_to_first(train.layout, num_tasks());
    nlohmann::json all = meta();
    all["window"] = to_json(window);
    writer.commit(all);
    on_first([&] { prune_checkpoints(output(), options.train.keep_checkpoints); });
    saved_update = train.update;
    saved_validation = counters.validated_update;
    log_info("saved {}", path.string());
  }

  // The best checkpoint is for use, not for resuming: weights alone.
  void save_best() {
    const MemoryScope scope = on_host();
    CheckpointWriter writer(world, output() / kBestCheckpoint);
    add_model(writer, train);
    writer.commit(meta());
  }

  // The loop ------------------------------------------------------------------------------------------------------

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

  // The processes go by the first one's clock, and all stop where one was asked to. True: to stop.
  bool agree(const std::atomic<bool>& stop) {
    const at::Tensor mine = at::tensor(std::vector<double>{counters.seconds, stop.load() ? 1.0 : 0.0}, at::kDouble);
    const at::Tensor all = at::empty({world.size(), 2}, at::kDouble);
    world.all_gather(mine, all);
    counters.seconds = all[0][0].item<double>();
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

  void one_update(double learning_rate) {
    std::vector<MicroBatch> mine;
    for (std::int64_t i = 0; i < options.train.micro_batches; ++i) {
      if (i % train.layout.batch_ranks() == train.layout.batch_rank()) {
        mine.push_back(stream.next());
      } else {
        stream.skip();
      }
    }
    const auto begin = Clock::now();
    const std::map<std::string, Traffic> before = traffic_of(train.groups);
    const StepReport report = train_step(train, mine, options, learning_rate);
    window.add(report, std::chrono::duration<double>(Clock::now() - begin).count());
    for (const auto& [group, sent] : traffic_of(train.groups)) {
      window.traffic[group].bytes += sent.bytes - before.at(group).bytes;
      window.traffic[group].seconds += sent.seconds - before.at(group).seconds;
    }
    counters.target_tokens += report.all_target_tokens;
    if (!report.update.skipped) {
      skipped_in_a_row = 0;
      return;
    }
    ++counters.skipped_updates;
    ++skipped_in_a_row;
    if (train.loss_scale.is_dynamic()) {  // which ends by itself where no scale helps
      log_info("update {}: overflow in float16; skipped, and the loss scale is {} now", train.update,
               train.loss_scale.value());
      return;
    }
    log_warning("update {}: the gradient is not finite; skipped (lower optimizer.learning-rate if it goes on)",
                train.update);
    if (options.train.max_skipped > 0 && skipped_in_a_row >= options.train.max_skipped) {
      end_as_diverged(fmt::format("{} updates in a row had no finite gradient", skipped_in_a_row));
    }
  }

  // All processes find it at the same place; nothing is saved any more.
  void end_as_diverged(const std::string& what) const {
    const std::optional<fs::path> last = folder.newest();
    together(world, [&] {
      throw Error(fmt::format("the training has diverged: {}", what), {},
                  fmt::format("lower optimizer.learning-rate, lengthen optimizer.warmup-updates or set "
                              "optimizer.clip-norm; {}",
                              last ? "the last checkpoint is " + last->string() : "nothing was saved before"));
    });
  }

  void record_window(double learning_rate) {
    folder.check();
    const std::vector<std::string> names = task_names(dataset.vocabulary());
    const Window all = window.over_all(train.layout, names.size());
    const nlohmann::json peaks = memory_peaks();
    window = {};
    if (!is_first()) return;
    const TokenLoss total = all.total();
    nlohmann::json tasks = nlohmann::json::object();
    for (const auto& [task, loss] : all.tasks) {
      const auto tokens = static_cast<double>(loss.tokens);
      tasks[names.at(static_cast<std::size_t>(task))] = {{"loss", loss.loss / tokens}, {"nll", loss.nll / tokens}};
    }
    const auto tokens = static_cast<double>(total.tokens);
    const auto updates = static_cast<double>(all.updates);
    nlohmann::json record{
        {"type", "train"},
        {"update", train.update},
        {"time", std::time({})},
        {"seconds", counters.seconds},
        {"loss", total.loss / tokens},
        {"nll", total.nll / tokens},
        {"learning_rate", learning_rate},
        {"gradient_norm", all.gradient_norm / std::max(1.0, updates - static_cast<double>(all.skipped))},
        {"tokens", counters.target_tokens},
        {"tokens_per_second", tokens / all.seconds},
        {"memory", peaks},
        {"tasks", tasks}};
    if (counters.skipped_updates > 0) record["skipped_updates"] = counters.skipped_updates;
    if (train.loss_scale.is_dynamic()) record["loss_scale"] = train.loss_scale.value();
    if (options.model.moe.experts > 0) record["balance_loss"] = all.balance_loss / updates;
    if (world.size() > 1) add_traffic(record, all, world.size());
    recorder->add(record);
  }

  // The most memory of any process so far: of all it has, of the device by kind, and of the host's share.
  nlohmann::json memory_peaks() const {
    std::vector<std::int64_t> bytes{static_cast<std::int64_t>(peak_resident_bytes()), total_of(memory.peak()),
                                    memory.host_peak()};
    bytes.insert(bytes.end(), memory.peak().begin(), memory.peak().end());
    const at::Tensor most = at::tensor(bytes, at::kLong);
    world.all_reduce(most, ReduceOp::kMax);
    const auto* value = most.const_data_ptr<std::int64_t>();
    nlohmann::json peaks{{"process", *value++}, {"device", *value++}, {"host", *value++}};
    for (std::size_t kind = 0; kind < kNumMemoryKinds; ++kind) {
      peaks[memory_kind_name(static_cast<MemoryKind>(kind))] = *value++;
    }
    return peaks;
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
    const at::Tensor figures =
        at::tensor(std::vector<double>{report.goodness(options.train.keep_best), report.loss}, at::kDouble);
    world.broadcast(figures, 0);
    const double goodness = figures[0].item<double>();
    if (!std::isfinite(figures[1].item<double>())) end_as_diverged("the validation loss is not finite");
    const bool best = !counters.best || goodness > *counters.best;
    counters.validations_without_best = best ? 0 : counters.validations_without_best + 1;
    if (best) counters.best = goodness;
    report.record["best"] = best;
    if (is_first()) {
      recorder->add(report.record);
      if (!report.experts.is_null()) recorder->add(report.experts);
      if (!report.samples.is_null()) recorder->add(report.samples);
    }
    if (best) save_best();
  }

  void record_start() {
    if (!is_first()) return;
    const ParameterCount count = count_parameters(*train.model);
    nlohmann::json directions = nlohmann::json::array();
    for (const Direction& direction : training_directions()) directions.push_back(direction.name());
    recorder->add({{"type", "run"},
                   {"time", std::time({})},
                   {"config", config_json(options)},
                   {"state_bytes", train.store.bytes().total()},
                   {"file_bytes", train.store.bytes().files},
                   {"parameters", count.total},
                   {"active_parameters", count.active},
                   {"languages", dataset.languages()},
                   {"directions", directions}});
    const Degrees& degrees = train.layout.degrees();
    log_info("{} parameters, {} of them active for a token; {} directions; {} threads", count.total, count.active,
             directions.size(), at::get_num_threads());
    if (const FileTier* files = train.store.files()) {
      log_info("{:.1f} GB of state in a file, moved by {}", static_cast<double>(files->bytes()) / 1e9, files->engine());
    }
    if (world.size() > 1) {
      log_info("{} processes: data {} x expert {} x model {}, ZeRO stage {}", world.size(), degrees.data,
               degrees.expert, degrees.model, options.parallel.zero_stage);
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
                                static_cast<double>(window.all_target_tokens) / std::max(1e-9, window.seconds));
    progress(report);
  }

  TrainSummary run(const std::atomic<bool>& stop, const ProgressSink& progress) {
    if (!folder.latest() || !has_metrics) record_start();
    const TrainOptions& t = options.train;
    TrainSummary summary;
    const double seconds_before = counters.seconds;
    const auto begin = Clock::now();
    const auto read_clock = [&] {
      counters.seconds = seconds_before + std::chrono::duration<double>(Clock::now() - begin).count();
    };
    while (true) {
      summary.interrupted = agree(stop);
      if (train.update == options.optimizer.warmup_updates) counters.warmup_seconds = counters.seconds;
      summary.reason = reason_to_end(summary.interrupted);
      if (!summary.reason.empty()) break;
      const double learning_rate = learning_rate_at(options.optimizer, train.update + 1, training_share());
      one_update(learning_rate);
      read_clock();
      if (is_first()) show(progress, window.total(), false);
      if (train.update % t.log_freq == 0) record_window(learning_rate);
      if (t.valid_freq > 0 && train.update % t.valid_freq == 0) validate_now();
      if (t.save_freq > 0 && train.update % t.save_freq == 0 && train.update < t.max_updates) save();
      read_clock();
    }
    if (!summary.interrupted && counters.validated_update != train.update) validate_now();
    save();
    read_clock();
    on_first([&] { write_html_report({output()}, output() / "report.html"); });
    summary.updates = train.update;
    summary.seconds = counters.seconds;
    summary.checkpoint = output() / checkpoint_name(train.update);
    return summary;
  }

  Communicator& world;
  RunOptions options;
  DeviceMemory memory;
  Dataset dataset;
  BatchStream stream;
  RunFolder folder;
  TrainState train;
  Validator validator;
  std::optional<Recorder> recorder;
  RunCounters counters;
  Window window;
  std::int64_t saved_update = -1, saved_validation = -1;
  bool has_metrics = false;
  std::int64_t skipped_in_a_row = 0;
};

Trainer::Trainer(RunOptions options, Communicator& world)
    : state_(std::make_unique<State>(std::move(options), world)) {}
Trainer::~Trainer() = default;

TrainSummary Trainer::run(const std::atomic<bool>& stop, const ProgressSink& progress) {
  return state_->run(stop, progress);
}

}  // namespace polymoe
