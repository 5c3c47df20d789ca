#pragma once

#include <cstdint>

#include "polymoe/config/run_options.h"

namespace polymoe {

/// The machines that `polymoe plan` plans for. A node is a machine with its host memory and its disk.
struct ClusterOptions {
  std::int64_t devices = 1;         // one process on each
  std::int64_t node_devices = 8;    // of a node
  double device_memory = 40.0;      // GB of a device
  double reserved_memory = 1.0;     // GB of a device that programs take beside tensors
  double host_memory = 1000.0;      // GB of a node
  double disk = 0.0;                // GB of a node
  double peak_tflops = 312.0;       // of a device
  double efficiency = 0.4;          // share of the peak that matrix products reach
  double device_bandwidth = 1555;   // GB/s of a device's memory
  double host_bandwidth = 200.0;    // GB/s of a node's memory
  double link_bandwidth = 16.0;     // GB/s between a device and its host
  double node_bandwidth = 300.0;    // GB/s of a device to others in its node
  double network_bandwidth = 12.5;  // GB/s of a device to other nodes
  double disk_bandwidth = 5.0;      // GB/s of a node's disk
};

/// A run, and the machines that `polymoe plan` plans it for. A configuration file may hold all of it, whoever reads it.
struct PlannerOptions : RunOptions {
  ClusterOptions cluster;
};

}  // namespace polymoe
